"""Queueing mathematics for a server: what can be said without running anything.

`formulas`
    single queues (M/M/1, M/G/1, M/M/c), scaling law, tail at scale.
`lengths`
    how long prompts and answers are: an exact distribution, and the longest of a batch.
`batches`
    what batching carries: static against continuous capacity, and Inoue's bound.
`little`
    L = λW, measured on any set of intervals, with both ends of the window accounted for.

All times are seconds, all rates are requests per second. A queue without a steady state raises
`UnstableQueue`; an argument outside the domain of a formula raises `ValueError`.
"""

from miniserve.queueing.batches import (
    capacity_continuous,
    capacity_static,
    continuous_gain,
    harmonic,
    inoue_bound,
)
from miniserve.queueing.formulas import (
    UnstableQueue,
    erlang_c,
    mg1_wait,
    mm1_sojourn,
    mm1_sojourn_quantile,
    mm1_wait,
    tail_at_scale,
    universal_scalability,
    utilisation,
)
from miniserve.queueing.lengths import Lengths
from miniserve.queueing.little import Little, intervals_of, littles_law, running_intervals

__all__ = [
    "Lengths",
    "Little",
    "UnstableQueue",
    "capacity_continuous",
    "capacity_static",
    "continuous_gain",
    "erlang_c",
    "harmonic",
    "inoue_bound",
    "intervals_of",
    "littles_law",
    "mg1_wait",
    "mm1_sojourn",
    "mm1_sojourn_quantile",
    "mm1_wait",
    "running_intervals",
    "tail_at_scale",
    "universal_scalability",
    "utilisation",
]
