"""An honest load generator, in short parts that are read in this order.

`arrivals`
    when requests are *meant* to be sent: seeded schedules, written down before the run. Pure.
`client`
    how one request is sent and stamped. It never waits for another one.
`connection`
    one connection, which stamps what comes over it.
`runs`
    an open loop over a schedule, and a closed loop on purpose beside it.
`background`
    an open loop in a thread of its own, whose rate a slider may move.

An open loop sends at the intended moments whatever the server does, as a crowd of strangers would.
A closed loop waits for an answer before it sends again; so it slows down together with the server,
and the slowest moments are the ones that it measures least (*coordinated omission*).
"""

from miniserve.loadtest.arrivals import (
    PoissonClock,
    Trace,
    constant,
    gamma,
    poisson,
    standard_trace,
)
from miniserve.loadtest.background import BackgroundLoad
from miniserve.loadtest.client import LoadClient, Target
from miniserve.loadtest.runs import LoadResult, run_closed_loop, run_open_loop

__all__ = [
    "BackgroundLoad",
    "LoadClient",
    "LoadResult",
    "PoissonClock",
    "Target",
    "Trace",
    "constant",
    "gamma",
    "poisson",
    "run_closed_loop",
    "run_open_loop",
    "standard_trace",
]
