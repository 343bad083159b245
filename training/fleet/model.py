"""How does a listing pass through the fleet? Zones of replicas and GPUs, one store, and callers who may try again.

A caller picks the less busy of two replicas that are in the rotation (Mitzenmacher, "The power of two choices", 2001).
The replica decodes and finds keypoints on its cores, asks a GPU of its zone, searches the references, one listing after
the other on cores set apart for that, compares and reads on its cores, and commits to the store.
Where no GPU of its zone is up it asks another zone's. While the store is away it keeps decisions on its own disk, as
REVIEW, and records them when the store is back (`serving.outage`). What fails is told to the caller at once, who tries
again after a pause, as often as it may. What is not answered by its deadline goes to REVIEW at the caller's, and counts
as failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import simpy

from training.fleet.sizing import Costs, Demand
from training.fleet.stations import BatchServer, Pool, Refused, Steps

CROPS = 5  # a picture: for the finder, whole, and three of marks


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the fleet is made of, for all zones together where nothing else is said."""

    zones: int = 3
    replicas: int = 69
    cores: int = 8  # of a replica, for all but search
    search_cores: int = 8  # of a replica
    gpus: int = 6
    gpu_batch: int = 320  # crops: 64 pictures
    gpu_fixed_s: float = 0.002
    store_writers: int = 64  # commits that the store works on at a time
    commit_s: float = 0.004
    most_waiting: int | None = 256  # listings of a replica; None: no bound
    early: bool = True  # whether what cannot be done within its time is refused when it comes
    takes_out_s: float = 5.0  # until a replica that is gone is out of the rotation
    keeps: bool = True  # decisions on disk while the store is away
    keep_s: float = 0.005  # an append and its fsync
    records_at_once: int = 4  # of what a replica kept
    probe_s: float = 1.0  # until a store that is back is asked again


@dataclass(frozen=True, kw_only=True)
class Callers:
    """How those who ask behave."""

    deadline_s: float = 3.0
    tries: int = 3
    pause_s: float = 0.2  # before the second try, doubled for each further; half of it by chance
    spread: bool = True


@dataclass
class Replica:
    """A server of the service."""

    zone: int
    cores: Pool
    search: Pool
    listed: bool = True  # in the rotation
    kept: int = 0  # decisions on its disk
    records: bool = False  # whether it is recording them

    @property
    def load(self) -> int:
        """Listings that are worked on or wait."""
        return self.cores.load + self.search.load


@dataclass
class Told:
    """What became of each listing: when it came, how long it took (NaN: failed), whether its decision was kept on disk.

    `tries` of all together; `late_records` counts the decisions that were kept and are on record, the last one at
    `recorded`.
    """

    came: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    tries: int = 0
    late_records: int = 0
    recorded: float = 0.0


class Fleet:
    """A fleet in a simulation; incidents switch its parts off and on."""

    def __init__(
        self, env: simpy.Environment, shape: Shape, costs: Costs, demand: Demand, callers: Callers, random: Random
    ) -> None:
        self.env = env
        self.shape = shape
        self.callers = callers
        self.told = Told()
        self.surge = 1.0
        self._costs = costs
        self._rate = demand.busiest / demand.pictures_a_listing
        self._pictures = demand.pictures_a_listing
        self._search_s = costs.searching_s(demand.references) / shape.search_cores
        self._random = random
        self.replicas = [
            Replica(
                zone=number % shape.zones,
                cores=Pool(env, shape.cores, most_waiting=shape.most_waiting),
                search=Pool(env, 1, most_waiting=shape.most_waiting),
            )
            for number in range(shape.replicas)
        ]
        self.gpus = [
            (
                number % shape.zones,
                BatchServer(env, most=shape.gpu_batch, fixed_s=shape.gpu_fixed_s, each_s=costs.gpu_s / CROPS),
            )
            for number in range(shape.gpus)
        ]
        self.store = Pool(env, shape.store_writers)
        self._noticed = env.event()  # that the store is away
        self._away = False

    def lose_store(self, *, noticed_s: float) -> None:
        """Take the store away; replicas wait for it until they notice."""
        self.store.up = False
        self._noticed = self.env.event()
        self.env.process(self._notice(noticed_s))

    def find_store(self) -> None:
        """Bring the store back; replicas find it by a probe."""
        self.store.up = True
        self.env.process(self._find())

    def _notice(self, noticed_s: float) -> Steps:
        yield self.env.timeout(noticed_s)
        self._away = not self.store.up
        self._noticed.succeed()

    def _find(self) -> Steps:
        yield self.env.timeout(self.shape.probe_s)
        self._away = not self.store.up
        for replica in self.replicas:
            self._begin_recording(replica)

    def arrivals(self, until: float) -> Steps:
        """Let listings come, at random and independently of each other, until then."""
        while self.env.now < until:
            yield self.env.timeout(self._random.expovariate(self._rate * self.surge))
            self.env.process(self._listing())

    def _listing(self) -> Steps:
        """Ask as often as a caller does, and note what came of it."""
        came = self.env.now
        until = came + self.callers.deadline_s
        pictures = 1 + self._poisson(self._pictures - 1)
        took, kept = float("nan"), False
        for number in range(self.callers.tries):
            self.told.tries += 1
            try:
                kept = yield from self._screen(pictures, until)
            except Refused:
                pause = self.callers.pause_s * 2**number
                yield self.env.timeout(pause * (self._random.uniform(0.5, 1.0) if self.callers.spread else 1.0))
                if self.env.now >= until:
                    break
                continue
            if self.env.now <= until:
                took = self.env.now - came
            break
        self.told.came.append(came)
        self.told.took.append(took)
        self.told.kept.append(kept)

    def _screen(self, pictures: int, until: float) -> Steps:
        """Screen on one replica; return whether the decision was kept on its disk. Raises Refused."""
        replica = self._choose(self.replicas)
        limit = until if self.shape.early else float("inf")
        work = self._work(pictures)
        if self.shape.early and self.env.now + self._wait(replica) > until:
            raise Refused
        yield from replica.cores.serve(pictures * self._costs.before_s, until=limit)
        yield from self._gpu(replica.zone).serve(pictures * CROPS)
        yield from replica.search.serve(pictures * self._search_s, until=limit)
        yield from replica.cores.serve(work, until=limit)
        if not replica.cores.up:
            raise Refused
        return (yield from self._commit(replica, until))

    def _commit(self, replica: Replica, until: float) -> Steps:
        """Record a decision: False; while the store is away keep it on the replica's disk: True. Raises Refused."""
        if not self._away:
            if not self.store.up:  # and nobody knows
                yield self._noticed | self.env.timeout(max(until - self.env.now, 0.0))
            try:
                yield from self.store.serve(self._random.expovariate(1 / self.shape.commit_s))
            except Refused:
                if not self.shape.keeps:
                    raise
            else:
                return False
        if not self.shape.keeps or self.env.now > until:
            raise Refused
        yield self.env.timeout(self.shape.keep_s)
        replica.kept += 1
        self._begin_recording(replica)
        return True

    def _begin_recording(self, replica: Replica) -> None:
        if replica.kept and not self._away and not replica.records:
            self.env.process(self._record(replica))

    def _record(self, replica: Replica) -> Steps:
        """Record what a replica kept, some at once, as long as the store takes it."""
        replica.records = True
        while replica.kept and self.store.up and replica.cores.up:
            batch = [self.env.process(self._recorded()) for _ in range(min(self.shape.records_at_once, replica.kept))]
            yield self.env.all_of(batch)
            replica.kept -= sum(bool(one.value) for one in batch)
        replica.records = False

    def _recorded(self) -> Steps:
        try:
            yield from self.store.serve(self._random.expovariate(1 / self.shape.commit_s))
        except Refused:
            return False
        self.told.late_records += 1
        self.told.recorded = self.env.now
        return True

    def _work(self, pictures: int) -> float:
        """Draw the processor time after the search: some pictures look like a brand whose references are looked for."""
        costs = self._costs
        alike = sum(self._random.random() < costs.verify_share for _ in range(pictures))
        rest = costs.beside_s - costs.before_s - costs.verify_s
        return pictures * rest + alike * costs.verify_s / costs.verify_share

    def _wait(self, replica: Replica) -> float:
        """Guess how long a listing would take: those before it on all cores, and then its own on one; its search."""
        worked = self._costs.beside_s * (1 + replica.cores.load / self.shape.cores)
        return self._pictures * (worked + self._search_s * (1 + replica.search.load))

    def _choose(self, replicas: Sequence[Replica]) -> Replica:
        listed = [one for one in replicas if one.listed]
        if not listed:
            raise Refused
        one, other = self._random.choice(listed), self._random.choice(listed)
        return one if one.load <= other.load else other

    def _gpu(self, zone: int) -> BatchServer:
        up = [(home, gpu) for home, gpu in self.gpus if gpu.up]
        near = [gpu for home, gpu in up if home == zone] or [gpu for _, gpu in up]
        if not near:
            raise Refused
        return min(near, key=lambda gpu: gpu.load)

    def _poisson(self, mean: float) -> int:
        count, left = 0, self._random.expovariate(1.0)
        while left < mean:
            count += 1
            left += self._random.expovariate(1.0)
        return count
