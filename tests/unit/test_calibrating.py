"""Is what the service learns the same for every replica, and can it be computed again in a year? From the log alone."""

from __future__ import annotations

import timeit
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.calibration import Calibration, Lesson, log_odds
from index.errors import StoreError
from index.store.store import Store
from index.verdicts import VerdictSource
from serving.calibrating import LEARNT, CalibrationSource, Calibrator, recompute
from tests.support.databases import with_tables
from tests.unit.judging import FUSION, judge, record

REVIEW, AUDIT, APPEAL = VerdictSource.REVIEW, VerdictSource.AUDIT, VerdictSource.APPEAL


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open an empty store."""
    with Store.open(with_tables(tmp_path / "store.db")) as opened:
        yield opened


@pytest.fixture
def source(store: Store) -> CalibrationSource:
    """Learn from that store, for the fusion of the tests."""
    return CalibrationSource(store, FUSION)


def taught(*lessons: tuple[float, str, bool], number: int) -> Calibration:
    """Learn lessons by hand."""
    return Calibration().after(
        (Lesson(probability=p, brand=brand, infringing=infringing) for p, brand, infringing in lessons), number=number
    )


def test_nothing_to_learn(source: CalibrationSource) -> None:
    """Without verdicts the probability stays, nothing is added, and the state has a name all the same."""
    adjusted = source.open().adjust(0.3, "Acme")

    assert adjusted.probability == 0.3
    assert (adjusted.contribution.code, adjusted.contribution.weight) == (LEARNT, 0.0)
    assert source.state_at(adjusted.version) == Calibration()


def test_verdicts_are_learnt_in_their_order(store: Store, source: CalibrationSource) -> None:
    """The state is what the verdicts teach one by one, by the probability before calibration."""
    judge(store, record(store, "d1", uncalibrated=0.4, probability=0.9), infringing=True)
    judge(store, record(store, "d2", uncalibrated=0.7, brand="Bravo"), infringing=False, source=AUDIT)

    calibrator = source.open()
    adjusted = calibrator.adjust(0.5, "Acme")

    assert calibrator.state == taught((0.4, "Acme", True), (0.7, "Bravo", False), number=2)
    assert log_odds(0.5) + adjusted.contribution.weight == pytest.approx(log_odds(adjusted.probability))
    assert adjusted.version == calibrator.version == calibrator.state.version


def test_appeals_teach_nothing(store: Store, source: CalibrationSource) -> None:
    """Sellers appeal against takedowns alone, so what is decided on appeals is one-sided, and is not learnt from."""
    judge(store, record(store, "d1", uncalibrated=0.4), infringing=True)
    judge(store, record(store, "d2"), infringing=False, source=APPEAL)
    judge(store, store.get_decision("d1"), infringing=False, source=APPEAL)

    assert source.open().state == taught((0.4, "Acme", True), number=3)


def test_undone_verdict_is_as_if_never_given(store: Store, source: CalibrationSource) -> None:
    """After an undoing the state is what the other verdicts teach; a new verdict on the decision counts where it is."""
    for place, name in enumerate(("d1", "d2", "d3")):
        judge(store, record(store, name, uncalibrated=(2 + place) / 10), infringing=True)
    before = source.open()

    judge(store, store.get_decision("d1"), infringing=True, undone=True)
    without = source.renew(before)
    judge(store, store.get_decision("d1"), infringing=False)
    again = source.renew(before)

    assert without is not None
    assert without.state == taught((0.3, "Acme", True), (0.4, "Acme", True), number=4)
    assert again is not None
    assert again.state == taught((0.3, "Acme", True), (0.4, "Acme", True), (0.2, "Acme", False), number=5)


def test_another_fusion_is_calibrated_apart(store: Store, source: CalibrationSource) -> None:
    """What people said of another fusion's probabilities teaches nothing about this one's."""
    judge(store, record(store, "d1", uncalibrated=0.4), infringing=True)
    judge(store, record(store, "d2", fusion="fusion-2", uncalibrated=0.8), infringing=False)

    assert source.open().state == taught((0.4, "Acme", True), number=2)
    assert CalibrationSource(store, "fusion-2").open().state == taught((0.8, "Acme", False), number=2)


def test_nothing_new_keeps_the_state(store: Store, source: CalibrationSource) -> None:
    """A look that finds no verdict gives no new state."""
    judge(store, record(store, "d1"), infringing=True)

    assert source.renew(source.open()) is None


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 5), st.booleans(), st.sampled_from([REVIEW, AUDIT, APPEAL]), st.booleans()),
        min_size=1,
        max_size=12,
    ),
    looks=st.sets(st.integers(0, 12)),
)
def test_state_is_a_function_of_the_log(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool, VerdictSource, bool]], looks: set[int]
) -> None:
    """Whenever replicas looked, whatever was undone: each state on record is, bit for bit, the log's from scratch."""
    with Store.open(tmp_path_factory.mktemp("log") / "store.db") as store:
        source = CalibrationSource(store, FUSION)
        decisions = [record(store, f"d{n}", uncalibrated=0.1 + n / 10, brand=f"brand-{n % 2}") for n in range(6)]
        versions = set()

        for number, (which, infringing, by, undone) in enumerate(steps):
            judge(store, decisions[which], infringing=infringing, source=by, undone=undone)
            if number in looks:
                versions.add(source.open().version)
        versions.add(source.open().version)

        for version in versions:
            number = store.find_calibration(version).number
            assert source.learnt_up_to(number, from_scratch=True).version == version
            assert source.state_at(version).version == version


def test_replicas_that_learn_at_once_agree(store: Store, source: CalibrationSource) -> None:
    """Eight replicas that look at the same time use one state, and it is on record once."""
    for place in range(20):
        judge(store, record(store, f"d{place}"), infringing=place % 3 == 0)

    with ThreadPoolExecutor(8) as pool:
        versions = {calibrator.version for calibrator in pool.map(lambda _: source.open(), range(8))}

    assert len(versions) == 1
    assert store.find_calibration(versions.pop()).learnt == 20


def test_decision_is_recomputed_from_its_version(store: Store, source: CalibrationSource) -> None:
    """A decision's probability comes out again, to the last bit, after more was learnt and some of it undone."""
    judge(store, record(store, "d1", uncalibrated=0.4), infringing=True)
    adjusted = source.open().adjust(0.6, "Acme")
    made = record(store, "d2", uncalibrated=0.6, probability=adjusted.probability, calibration=adjusted.version)
    judge(store, made, infringing=False)
    judge(store, store.get_decision("d1"), infringing=True, undone=True)
    source.open()

    recorded, recomputed = recompute(source, store.get_decision("d2"))

    assert recorded == recomputed == adjusted.probability != 0.6


def test_log_that_was_changed_is_found_out(store: Store, source: CalibrationSource) -> None:
    """A state that the log does not give any more is refused by name, not replaced in silence."""
    judge(store, record(store, "d1"), infringing=True)
    judge(store, record(store, "d2"), infringing=True)
    source.open()
    version = source.open().version
    with store._database.write("tamper") as connection:
        connection.exec_driver_sql("UPDATE verdicts SET infringing = 0 WHERE number = 1")
        connection.exec_driver_sql("UPDATE calibrations SET payload = NULL")

    with pytest.raises(StoreError, match=f"not {version}: the log was changed"):
        source.state_at(version)


def test_adjusting_costs_next_to_nothing() -> None:
    """With 2,000 brands a listing is calibrated in less than 0.05 ms (best of 5 runs)."""
    rng = np.random.default_rng(0)
    lessons = [Lesson(probability=0.4, brand=f"b{n}", infringing=bool(rng.random() < 0.4)) for n in range(2000)]
    calibrator = Calibrator(Calibration().after(lessons, number=2000))
    calibrator.adjust(0.5, "b7")

    seconds = min(timeit.repeat(lambda: calibrator.adjust(0.5, "b7"), number=1000, repeat=5)) / 1000

    print(f"\nadjust: {seconds * 1e6:.1f} us")
    assert seconds < 50e-6
