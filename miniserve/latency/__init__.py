"""What a client saw: one record a request, and the numbers that may be drawn from many.

`record`
    one request in four stamps.
`percentiles`
    percentiles that count the samples beyond them, and the empirical distribution.
`summaries`
    a run in one row: percentiles, goodput, and whether the run is valid.
`files`
    records and conditions, saved and read back to the last bit.

No socket, no thread, no clock. Times are seconds on one monotonic clock, whose zero is the start of
the run. Three rules keep the numbers honest:

* A latency counts from the moment a request was *meant* to be sent. A generator that is late
  itself therefore cannot hide it.
* Latency percentiles are taken over the requests that were answered, and `Summary` says how many
  were not. Those stay in the denominator of goodput.
* A percentile knows how many samples lie beyond it, and does not count as quotable with too few.
"""

from miniserve.latency.files import load, save
from miniserve.latency.percentiles import MIN_BEYOND, Floats, Percentile, cdf, percentile
from miniserve.latency.record import DROPPED, SHED, LatencyRecord, latencies
from miniserve.latency.summaries import Summary, summary

__all__ = [
    "DROPPED",
    "MIN_BEYOND",
    "SHED",
    "Floats",
    "LatencyRecord",
    "Percentile",
    "Summary",
    "cdf",
    "latencies",
    "load",
    "percentile",
    "save",
    "summary",
]
