"""How much a server carries, how long its queue may be, and when to come back.

From a distribution of lengths, a step cost and an SLO ("95 % of answers within 300 ms") follow: the
arrival rate that each mode carries, the batch size, the queue bound and `Retry-After`. Each number
comes with how it was found, so that the plan can be argued with.

`bound`
    the queue bound, from Little's law, and `Retry-After`.
`search`
    the rate within the SLO, by bisection on the simulator, and the batch size.
`plan`
    all of it, with the reasoning; what `miniserve plan` prints.
"""

from miniserve.capacity.bound import Slo, overloaded, own_time, queue_bound, retry_after
from miniserve.capacity.plan import Plan, SloUnreachable, Step, plan
from miniserve.capacity.search import Carried, best_batch, carried

__all__ = [
    "Carried",
    "Plan",
    "Slo",
    "SloUnreachable",
    "Step",
    "best_batch",
    "carried",
    "overloaded",
    "own_time",
    "plan",
    "queue_bound",
    "retry_after",
]
