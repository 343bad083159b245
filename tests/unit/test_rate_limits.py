"""Limits let so much through and no more, say when to come back, and forget who is long gone."""

from __future__ import annotations

import pytest

from serving.access.client_address import client_address
from serving.access.rate_limits import RateLimit
from serving.errors import Overloaded


class Clock:
    """A time that a test moves on, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def refused(limit: RateLimit, name: str) -> float:
    """Take a token that is not there; return after how many seconds to come back."""
    with pytest.raises(Overloaded) as caught:
        limit.take(name)
    return caught.value.retry_after_s


def test_a_bucket_empties_and_fills_evenly() -> None:
    """Three at once, then one every ten seconds, also for who keeps asking in between."""
    clock = Clock()
    limit = RateLimit("questions", most=3, within_s=30.0, clock=clock)

    for _ in range(3):
        limit.take("a")
    wait = refused(limit, "a")
    clock.now = 9.0
    later = refused(limit, "a")
    clock.now = 10.0
    limit.take("a")
    limit.take("b")
    clock.now = 1_000.0
    for _ in range(3):
        limit.take("a")

    assert wait == pytest.approx(10.0)
    assert later == pytest.approx(1.0)
    assert refused(limit, "a") == pytest.approx(10.0)


def test_memory_is_bounded() -> None:
    """Of many names the one that was not used for the longest time is forgotten."""
    clock = Clock()
    limit = RateLimit("questions", most=1, within_s=1_000.0, names=3, clock=clock)
    for name in ("a", "b", "c"):
        limit.take(name)
        clock.now += 1

    refused(limit, "a")
    limit.take("d")

    assert len(limit) == 3
    refused(limit, "a")
    limit.take("b")


@pytest.mark.parametrize(
    ("peer", "told", "trust", "address"),
    [
        ("ipv4:198.51.100.7:4711", None, "loopback", "198.51.100.7"),
        ("ipv6:[2001:db8::1]:4711", None, "loopback", "2001:db8::/64"),
        ("ipv6:%5B2001:db8::2%5D:4711", None, "loopback", "2001:db8::/64"),
        ("ipv6:[::ffff:198.51.100.7]:1", None, "loopback", "198.51.100.7"),
        ("ipv4:127.0.0.1:4711", "198.51.100.7", "loopback", "198.51.100.7"),
        ("ipv4:127.0.0.1:4711", "198.51.100.7", "never", "127.0.0.1"),
        ("ipv4:203.0.113.1:4711", "198.51.100.7", "loopback", "203.0.113.1"),
        ("ipv4:203.0.113.1:4711", "198.51.100.7", "always", "198.51.100.7"),
        ("ipv4:127.0.0.1:4711", "nonsense", "loopback", "127.0.0.1"),
        ("unix:/run/touchstone", None, "loopback", "unix:/run/touchstone"),
    ],
)
def test_address(peer: str, told: str | None, trust: str, address: str) -> None:
    """The connection's address counts, or what a proxy that is believed tells; IPv6 by its network."""
    metadata = [] if told is None else [("touchstone-client", told)]

    assert client_address(metadata, peer, trust) == address  # type: ignore[arg-type]
