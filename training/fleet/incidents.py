"""What goes wrong in a peak hour? Incidents that begin and end, as functions over a fleet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from training.fleet.model import Callers, Fleet, Shape
from training.fleet.stations import Steps


@dataclass(frozen=True, kw_only=True)
class Incident:
    """One thing that goes wrong: what is switched, when it begins and for how long."""

    name: str
    says: str
    begin: Callable[[Fleet], None]
    end: Callable[[Fleet], None]
    lasts_s: float
    shape: Callable[[Shape], Shape] = lambda shape: shape
    callers: Callers = field(default_factory=Callers)


def play(fleet: Fleet, incident: Incident, *, begins_s: float) -> Steps:
    """Let it happen."""
    yield fleet.env.timeout(begins_s)
    incident.begin(fleet)
    yield fleet.env.timeout(incident.lasts_s)
    incident.end(fleet)


def _replicas(chosen: Callable[[Fleet], Sequence[Any]], *, up: bool) -> Callable[[Fleet], None]:
    """Switch replicas off, which leave the rotation only when a health check finds them gone, or on again."""

    def switch(fleet: Fleet) -> None:
        for replica in chosen(fleet):
            replica.cores.up = replica.search.up = up
            if up:
                replica.listed = True
            else:
                fleet.env.process(_take_out(fleet, replica))

    return switch


def _take_out(fleet: Fleet, replica: Any) -> Steps:
    yield fleet.env.timeout(fleet.shape.takes_out_s)
    replica.listed = replica.cores.up


def _zone(*, up: bool) -> Callable[[Fleet], None]:
    switch = _replicas(lambda fleet: [one for one in fleet.replicas if one.zone == 0], up=up)

    def both(fleet: Fleet) -> None:
        switch(fleet)
        for zone, gpu in fleet.gpus:
            if zone == 0:
                gpu.up = up

    return both


def _gpus(count: int, *, up: bool) -> Callable[[Fleet], None]:
    def switch(fleet: Fleet) -> None:
        for _, gpu in fleet.gpus[:count]:
            gpu.up = up

    return switch


# A probe each second, and the patience with one that is not answered (serving/outage/guard.py, store_patience_s).
_HANG_NOTICED_S = 1.0 + 5.0


def _lose_store(*, noticed_s: float = 0.0) -> Callable[[Fleet], None]:
    return lambda fleet: fleet.lose_store(noticed_s=noticed_s)


def _find_store(fleet: Fleet) -> None:
    fleet.find_store()


def _surge(times: float) -> Callable[[Fleet], None]:
    def switch(fleet: Fleet) -> None:
        fleet.surge = times

    return switch


def _nothing(fleet: Fleet) -> None:
    """Leave all as it is."""


def _some(fleet: Fleet) -> Sequence[Any]:
    return Random(1).sample(fleet.replicas, 7)  # noqa: S311 - a simulation's


def _unbounded(shape: Shape) -> Shape:
    return replace(shape, most_waiting=None, early=False)


def _unkept(shape: Shape) -> Shape:
    return replace(shape, keeps=False)


_STORM = Callers(tries=6, pause_s=0.01, spread=False)

INCIDENTS = (
    Incident(name="nothing", says="a quiet busiest hour", begin=_nothing, end=_nothing, lasts_s=0.0),
    Incident(
        name="replicas",
        says="7 of 69 replicas fail for 60 s",
        begin=_replicas(_some, up=False),
        end=_replicas(_some, up=True),
        lasts_s=60.0,
    ),
    Incident(
        name="gpus", says="3 of 6 GPUs are lost for 60 s", begin=_gpus(3, up=False), end=_gpus(3, up=True), lasts_s=60.0
    ),
    Incident(name="zone", says="a zone goes dark for 60 s", begin=_zone(up=False), end=_zone(up=True), lasts_s=60.0),
    Incident(name="store", says="the store fails over in 30 s", begin=_lose_store(), end=_find_store, lasts_s=30.0),
    Incident(
        name="hang",
        says="the store hangs for 30 s",
        begin=_lose_store(noticed_s=_HANG_NOTICED_S),
        end=_find_store,
        lasts_s=30.0,
    ),
    Incident(
        name="unkept",
        says="the store fails over in 30 s, and nothing is kept on disk (`spool_mib: 0`)",
        begin=_lose_store(),
        end=_find_store,
        lasts_s=30.0,
        shape=_unkept,
    ),
    Incident(name="surge", says="three times as much for 30 s", begin=_surge(3.0), end=_surge(1.0), lasts_s=30.0),
    Incident(
        name="storm",
        says="the surge, callers try 6 times without a pause",
        begin=_surge(3.0),
        end=_surge(1.0),
        lasts_s=30.0,
        callers=_STORM,
    ),
    Incident(
        name="unbounded",
        says="the same storm on a service without bounded queues and early refusal",
        begin=_surge(3.0),
        end=_surge(1.0),
        lasts_s=30.0,
        shape=_unbounded,
        callers=_STORM,
    ),
)
