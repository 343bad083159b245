"""The simulation of a fleet agrees with queueing theory where theory has a formula, and docs/scale.md with both."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import simpy

from index import large_index
from training.fleet import searching
from training.fleet.incidents import INCIDENTS
from training.fleet.model import Callers, Fleet, Shape
from training.fleet.simulate import BEGINS_S, Outcome, simulate
from training.fleet.sizing import Costs, Demand, tables
from training.fleet.stations import BatchServer, Pool, Refused, Steps

SCALE = Path(__file__).parents[2] / "docs/scale.md"
CUSTOMERS = 40_000

# One of 23 parts of the day's pictures, on as much less of a fleet.
SMALL = Demand(pictures_a_day=100e6 / 23)
FEW = Shape(replicas=3, gpus=3, store_writers=4)


def erlang_c(servers: int, load: float) -> float:
    """Return the chance to wait in M/M/c (Erlang 1917), by its recursion over Erlang B; `load` in Erlang."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def mean_wait(servers: int, *, rate: float, service_s: float, constant: bool) -> float:
    """Send customers who come at random through a pool, and return how long they waited on average."""
    env = simpy.Environment()
    pool = Pool(env, servers)
    random = Random(1)
    waits: list[float] = []

    def customer() -> Steps:
        took = service_s if constant else random.expovariate(1 / service_s)
        came = env.now
        yield from pool.serve(took)
        waits.append(env.now - came - took)

    def arrivals() -> Steps:
        for _ in range(CUSTOMERS):
            yield env.timeout(random.expovariate(rate))
            env.process(customer())

    env.process(arrivals())
    env.run()
    return float(np.mean(waits))


@pytest.mark.parametrize(("servers", "load"), [(1, 0.6), (4, 2.8), (16, 12.8)])
def test_a_pool_waits_as_erlang_says(servers: int, load: float) -> None:
    """Customers of M/M/c wait as long on average as Erlang's formula says, within a tenth."""
    expected = erlang_c(servers, load) / (servers - load)

    assert mean_wait(servers, rate=load, service_s=1.0, constant=False) == pytest.approx(expected, rel=0.1)


def test_work_that_never_varies_waits_half_as_long() -> None:
    """Customers of M/D/1 wait as long as Pollaczek and Khinchine's formula says, within a tenth."""
    load = 0.7

    found = mean_wait(1, rate=load, service_s=1.0, constant=True)

    assert found == pytest.approx(load / (2 * (1 - load)), rel=0.1)


def test_what_waits_for_a_gpu_goes_in_one_batch() -> None:
    """Jobs that come while a batch is looked at share the next one, up to its size; the last waits for its own."""
    env = simpy.Environment()
    gpu = BatchServer(env, most=4, fixed_s=1.0, each_s=0.1)
    ends: list[float] = []

    def job(size: int) -> Steps:
        yield from gpu.serve(size)
        ends.append(env.now)

    for size in (4, 2, 2, 2):
        env.process(job(size))
    env.run()

    assert ends == pytest.approx([1.4, 2.8, 2.8, 4.0])
    assert gpu.load == 0


def test_a_full_queue_and_a_gpu_that_is_lost_refuse() -> None:
    """Whoever finds a queue full is refused at once; whoever waits for a GPU when it is lost, then."""
    env = simpy.Environment()
    pool = Pool(env, 1, most_waiting=1)
    gpu = BatchServer(env, most=1, fixed_s=1.0, each_s=0.0)
    refused: list[tuple[str, float]] = []

    def ask(name: str, steps: Steps) -> Steps:
        try:
            yield from steps
        except Refused:
            refused.append((name, env.now))

    def lose() -> Steps:
        yield env.timeout(0.5)
        gpu.up = False

    for number in range(3):
        env.process(ask(f"pool {number}", pool.serve(1.0)))
    for number in range(2):
        env.process(ask(f"gpu {number}", gpu.serve(1)))
    env.process(lose())
    env.run()

    assert sorted(refused) == [("gpu 0", 1.0), ("gpu 1", 0.5), ("pool 2", 0.0)]


def outcome(name: str) -> Outcome:
    """Play an incident on a small fleet."""
    (incident,) = (one for one in INCIDENTS if one.name == name)
    return simulate(replace(incident, lasts_s=min(incident.lasts_s, 10.0)), shape=FEW, demand=SMALL, after_s=20.0)


def failed_after(played: Outcome) -> float:
    """Return the share that failed of what came in the four seconds after an incident of ten."""
    ends = BEGINS_S + 10.0
    return float(np.isnan(played.took[(played.came >= ends) & (played.came < ends + 4.0)]).mean())


def test_the_same_seed_plays_the_same() -> None:
    """Numbers in the documentation can be had again."""
    first, second = outcome("zone"), outcome("zone")

    np.testing.assert_array_equal(first.took, second.took)


def test_incidents_hurt_as_they_should_and_pass() -> None:
    """A quiet fleet fails nothing; where nothing is kept on disk, what comes while the store is away fails."""
    quiet, unkept = outcome("nothing"), outcome("unkept")

    assert (quiet.failed, quiet.kept, quiet.recovered_s, quiet.recorded_s) == (0, 0, 0, 0)
    assert 0.5 < unkept.failed < 1
    assert unkept.kept == 0
    assert not math.isnan(unkept.recovered_s)


def test_what_is_kept_on_disk_is_answered_and_recorded_soon() -> None:
    """While the store is away all of it is REVIEW, no slower than ever, and on record soon after the store is back."""
    store = outcome("store")

    assert store.failed == 0
    assert store.kept > 0.99
    assert store.during[1] < 1.1 * store.before[1]
    assert 0 < store.recorded_s < 10


def test_a_store_that_hangs_fails_those_who_come_before_it_is_noticed() -> None:
    """Whoever waits for 3 s and came in the first three of the six seconds that a probe takes to notice."""
    hang = outcome("hang")

    assert 0.2 < hang.failed < 0.4  # three of ten seconds
    assert hang.kept == pytest.approx(1 - hang.failed, abs=0.05)


def test_decisions_are_recorded_as_often_as_they_were_kept() -> None:
    """None is lost and none is recorded twice, whatever the store does meanwhile."""
    env = simpy.Environment()
    fleet = Fleet(env, replace(FEW, store_writers=1), Costs(), SMALL, Callers(), Random(1))
    env.process(fleet.arrivals(20.0))

    def flapping() -> Steps:
        for _ in range(4):
            yield env.timeout(3.0)
            fleet.lose_store(noticed_s=0.0)
            yield env.timeout(1.0)
            fleet.find_store()

    env.process(flapping())
    env.run()

    assert sum(fleet.told.kept) == fleet.told.late_records > 0
    assert [replica.kept for replica in fleet.replicas] == [0] * len(fleet.replicas)


def test_bounded_queues_end_a_storm_of_retries() -> None:
    """With early refusal a storm ends with its cause; without it work that is late already keeps others waiting."""
    bounded, unbounded = outcome("storm"), outcome("unbounded")

    assert bounded.failed < unbounded.failed
    assert failed_after(bounded) < 0.5 < failed_after(unbounded)


@pytest.mark.parametrize("row", [searching.FEWER, searching.MORE])
def test_what_a_search_takes_is_what_was_measured(row: searching.Measured) -> None:
    """Threads that share the work finish 16 regions as soon as they did; the exact comparison is the caller's own."""
    alone = searching.exact_s(row.dim)
    shared = searching.searching_s(row.vectors, row.dim) - alone

    assert searching.REGIONS * (shared / row.threads + alone) == pytest.approx(row.seconds)


def test_a_search_grows_with_the_bits_it_looks_through() -> None:
    """Of very many, twice as many take twice as long; those of twice as many values, in as many bits, hardly longer."""
    usual = searching.searching_s(100e6, 1_280)

    assert searching.searching_s(200e6, 1_280) == pytest.approx(2 * usual, rel=0.01)
    assert searching.searching_s(100e6, 2_560) == pytest.approx(usual, rel=0.05)


def test_bits_of_a_vector_are_those_of_a_trained_index() -> None:
    """Sizes are reckoned from the index that the builder makes."""
    rows = np.random.default_rng(1).standard_normal((1_000, 64), np.float32)
    vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)

    trained = large_index.train(vectors, np.arange(len(vectors)))

    assert trained.code_size * 8 == searching.code_bits(len(vectors), 64)
    assert searching.code_bits(10e6, 1_280) == 2_560


@pytest.mark.parametrize("number", [0, 1])
def test_the_page_holds_the_sizes_that_are_reckoned(number: int) -> None:
    """docs/scale.md has the tables that `python -m training.fleet.sizing` prints; upon failure, paste them."""
    assert tables(Demand(), Costs())[number] in SCALE.read_text(encoding="utf-8")
