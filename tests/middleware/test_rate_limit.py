"""Never more than burst + rate · t, no client pays for another, memory is bounded."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniserve.middleware.rate_limit import RateLimit, TokenBuckets, client_key
from tests.asgi import Inner, call, scope_for

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_the_rate() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate=2.0, burst=3, clock=clock)
    assert [buckets.take("a") for _ in range(3)] == [0.0] * 3
    assert buckets.take("a") == pytest.approx(0.5)
    clock.now += 0.5
    assert buckets.take("a") == 0.0
    assert buckets.take("a") > 0.0
    clock.now += 1000
    assert [buckets.take("a") for _ in range(3)] == [0.0] * 3
    assert buckets.take("a") > 0.0


@given(
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_never_more_than_burst_plus_rate_times_time(
    rate: float, burst: int, gaps: list[float]
) -> None:
    clock = Clock()
    buckets = TokenBuckets(rate, burst, clock=clock)
    granted: list[float] = []
    for gap in gaps:
        clock.now += gap
        if buckets.take("a") == 0.0:
            granted.append(clock.now)
    for first in range(len(granted)):
        for last in range(first, len(granted)):
            elapsed = granted[last] - granted[first]
            assert last - first + 1 <= burst + rate * elapsed + 1e-6


@given(st.floats(0.1, 100), st.integers(1, 5), st.integers(0, 30))
def test_who_waits_as_long_as_told_is_let_in(rate: float, burst: int, before: int) -> None:
    clock = Clock()
    buckets = TokenBuckets(rate, burst, clock=clock)
    for _ in range(before):
        buckets.take("a")
    wait_s = buckets.take("a")
    if wait_s > 0.0:
        clock.now += wait_s + 1e-6
        assert buckets.take("a") == 0.0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 2)), max_size=60))
def test_keys_do_not_affect_each_other(events: list[tuple[str, float]]) -> None:
    clock = Clock()
    shared = TokenBuckets(1.0, 2, clock=clock)
    alone = TokenBuckets(1.0, 2, clock=clock)
    for key, gap in events:
        clock.now += gap
        answer = shared.take(key)
        if key == "a":
            assert answer == alone.take("a")


def test_memory_is_bounded_and_the_longest_unused_key_is_forgotten() -> None:
    buckets = TokenBuckets(1.0, 1, max_keys=3, clock=Clock())
    for key in ("a", "b", "a", "c", "d"):
        buckets.take(key)
    assert len(buckets) == 3
    assert buckets.take("a") > 0.0
    assert buckets.take("b") == 0.0


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0), (math.nan, 0)])
def test_senseless_limits_are_refused(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="rate"):
        TokenBuckets(rate, burst)


def test_a_client_is_an_address_or_an_ipv6_network() -> None:
    assert client_key(scope_for(client=("10.0.0.7", 1))) == "10.0.0.7"
    one = client_key(scope_for(client=("2001:db8::1", 1)))
    assert one == client_key(scope_for(client=("2001:db8::ffff:1%eth0", 2)))
    assert one != client_key(scope_for(client=("2001:db8:0:1::1", 1)))
    assert client_key(scope_for(client=None)) == "unknown"


def test_a_socket_for_both_kinds_of_addresses_keeps_ipv4_clients_apart() -> None:
    assert client_key(scope_for(client=("::ffff:10.0.0.7", 1))) == "10.0.0.7"
    assert client_key(scope_for(client=("::ffff:10.0.0.8", 1))) == "10.0.0.8"


@pytest.mark.parametrize("host", ["", "a:b", "not an address", "1.2.3.4.5", "::1::"])
def test_what_is_no_address_is_one_client(host: str) -> None:
    assert client_key(scope_for(client=(host, 1))) == "unknown"


async def test_too_many_requests_get_429_and_the_application_is_not_called() -> None:
    clock, inner = Clock(), Inner()
    layer = RateLimit(inner, TokenBuckets(rate=0.4, burst=2, clock=clock))
    statuses = [(await call(layer, scope_for())).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert len(inner.scopes) == 2
    refused = await call(layer, scope_for())
    assert refused.headers["retry-after"] == "3"
    assert refused.json["type"] == "urn:miniserve:rate-limited"
    assert (await call(layer, scope_for(client=("10.0.0.9", 1)))).status == 200
    clock.now += 3
    assert (await call(layer, scope_for())).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_probes_are_never_refused(path: str) -> None:
    layer = RateLimit(Inner(), TokenBuckets(rate=0.1, burst=1, clock=Clock()))
    for _ in range(5):
        assert (await call(layer, scope_for(path, "GET"))).status == 200


async def test_a_body_that_waits_to_be_asked_for_is_not_read_as_the_next_request() -> None:
    layer = RateLimit(Inner(), TokenBuckets(1.0, 1, clock=Clock()))
    headers = [(b"expect", b"100-continue"), (b"content-length", b"1000")]
    assert (await call(layer, scope_for(headers=headers))).status == 200
    refusal = await call(layer, scope_for(headers=headers))
    assert (refusal.status, refusal.headers["connection"]) == (429, "close")
    assert "connection" not in (await call(layer, scope_for())).headers
