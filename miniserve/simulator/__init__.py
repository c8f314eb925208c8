"""The live engine's schedulers on a virtual clock: millions of requests, fleets, published results.

`workload`
    seeded arrivals and lengths.
`single`
    one server: a policy, requests, a step cost; what `miniserve simulate` runs.
`samples`
    what is kept of each request, and what may be said from it.
`digits`
    how results are written, so that two machines can compare them.
`fleet`
    many replicas behind a router.
`standard`
    the lengths and the step cost that the chapters use.
`published`
    the shape of well-known results, from their published step costs.
`prediction`
    what the simulator says of a run that a live server has made.
`calibration`, `under_load`
    the same for all four modes, from costs that other runs of that server had under load.
"""

from miniserve.simulator.fleet import (
    FleetResult,
    random_router,
    run_fleet,
    shortest_queue_router,
    two_choices_router,
)
from miniserve.simulator.samples import Mean, Samples, mean_of
from miniserve.simulator.single import Policy, RunResult, run, simulate
from miniserve.simulator.workload import poisson_requests, poisson_times, standard_exponential

__all__ = [
    "FleetResult",
    "Mean",
    "Policy",
    "RunResult",
    "Samples",
    "mean_of",
    "poisson_requests",
    "poisson_times",
    "random_router",
    "run",
    "run_fleet",
    "shortest_queue_router",
    "simulate",
    "standard_exponential",
    "two_choices_router",
]
