"""Are exactly those verdicts asked that may prove a certificate? One-sided ones are not, and open doubts count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from index.calibration import PROCEDURE
from index.decision_records import DecisionRecord
from index.guarantee import FIRST_LOOK, Promise, verified_needed
from index.learning import CertificateState
from index.store.store import Store
from index.verdicts import VerdictSource
from serving.certifying import LASTS, SETTLE, Certifier, Sample, what_is_missing
from serving.guarantee import Versions
from tests.support.databases import with_tables
from tests.unit.judging import FUSION, MODEL, NOON, a_decision, judge, judge_many, record

AUDIT, APPEAL = VerdictSource.AUDIT, VerdictSource.APPEAL
NOW = NOON + SETTLE + timedelta(seconds=1)
# A promise that few candidates prove: the tests are about which ones count.
EASY = Promise(target=0.8, confidence=0.8)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open an empty store."""
    with Store.open(with_tables(tmp_path / "store.db")) as opened:
        yield opened


@pytest.fixture
def certifier(store: Store) -> Certifier:
    """Certify for the versions of the tests' decisions."""
    return Certifier(store=store, versions=Versions(fusion=FUSION, model=MODEL))


def asked(sample: Sample) -> list[tuple[float, bool]]:
    """Give probability and error of each candidate, in order."""
    return sorted((candidate.probability, candidate.wrong) for candidate in sample.candidates)


def test_judged_candidates_are_the_sample(store: Store, certifier: Certifier) -> None:
    """Reviews and audits of candidates count with the probability that was said then; not infringing is an error."""
    judge(store, record(store, "d1", probability=0.91, uncalibrated=0.1), infringing=True)
    judge(store, record(store, "d2", probability=0.92), infringing=False)
    judge(store, record(store, "d3", probability=0.93), infringing=True, source=AUDIT)

    sample = certifier.sample("standard", now=NOW)

    assert asked(sample) == [(0.91, False), (0.92, True), (0.93, False)]
    assert (sample.unjudged, sample.last_verdict, sample.policy_versions) == (0, 3, ("policy@1",))


def test_what_is_no_candidate_does_not_count(store: Store, certifier: Certifier) -> None:
    """Left out are listings for which no rule asked, without a brand, of another tier, fusion, calibration."""
    store.put_tier("Rolex", "watches", now=NOON)
    others: dict[str, dict[str, Any]] = {
        "not asked": {"asked": False},
        "no brand": {"brand": ""},
        "other tier": {"brand": "Rolex"},
        "other fusion": {"fusion": "fusion-2"},
        "other calibration": {"calibration": f"{PROCEDURE}0:1:abc"},
    }
    for name, given in others.items():
        judge(store, record(store, name, **given), infringing=True)

    assert certifier.sample("standard", now=NOW).candidates == ()
    assert len(certifier.sample("watches", now=NOW).candidates) == 1


def test_another_model_does_not_count(store: Store) -> None:
    """What was decided by another model proves nothing of this one."""
    judge(store, record(store, "d1"), infringing=True)
    certifier = Certifier(store=store, versions=Versions(fusion=FUSION, model="another"))

    assert certifier.sample("standard", now=NOW).candidates == ()


def test_takedowns_count_only_where_they_were_audited(store: Store, certifier: Certifier) -> None:
    """Of takedowns on a certificate the audited ones are a sample; those reviewed or appealed against are none."""
    for name, source in {"audited": AUDIT, "reviewed": VerdictSource.REVIEW, "appealed": APPEAL}.items():
        made = record(store, name, verdict="TAKEDOWN", certificate_id="c1", probability=0.99)
        judge(store, made, infringing=name == "audited", source=source)

    assert asked(certifier.sample("standard", now=NOW)) == [(0.99, False)]


def test_upheld_appeal_makes_a_candidate_an_error(store: Store, certifier: Certifier) -> None:
    """Appeals add no candidate, but take back what was said of one; an appeal that was undone does not."""
    for name in ("overturned", "kept"):
        judge(store, record(store, name, probability=0.9 if name == "kept" else 0.8), infringing=True)
        judge(store, store.get_decision(name), infringing=False, source=APPEAL)
    judge(store, store.get_decision("kept"), infringing=False, source=APPEAL, undone=True)

    assert asked(certifier.sample("standard", now=NOW)) == [(0.8, True), (0.9, False)]


def test_candidate_that_nobody_judged_in_time_is_an_error(store: Store, certifier: Certifier) -> None:
    """Leaving doubtful cases open buys no certificate; who is still within the days to judge is left out."""
    judge(store, record(store, "judged", probability=0.9), infringing=True)
    record(store, "open", probability=0.95)
    judge(store, record(store, "undone", probability=0.96), infringing=True)
    judge(store, store.get_decision("undone"), infringing=True, undone=True)

    late, early = certifier.sample("standard", now=NOW), certifier.sample("standard", now=NOON + SETTLE)

    assert asked(late) == [(0.9, False), (0.95, True), (0.96, True)]
    assert late.unjudged == 2
    assert early.candidates == ()


def candidates(count: int, *, first: int = 0) -> list[DecisionRecord]:
    """Make candidates of a high probability."""
    return [a_decision(f"d{number}", probability=0.9995) for number in range(first, first + count)]


def test_certificate_says_what_it_was_proved_on(store: Store, certifier: Certifier) -> None:
    """The first look, at 1,250 candidates, proves a certificate with their counts and versions; 1,249 prove none."""
    judge_many(store, candidates(FIRST_LOOK - 1), infringing=True)
    few = certifier.sample("standard", now=NOW)
    judge_many(store, candidates(500, first=FIRST_LOOK), infringing=True)

    made = certifier.certificate(certifier.sample("standard", now=NOW), EASY, now=NOW)

    assert certifier.certificate(few, EASY, now=NOW) is None
    assert what_is_missing(few, EASY).endswith("The first look is at 1,250.")
    assert made is not None
    assert (made.verified, made.errors, made.tier) == (FIRST_LOOK, 0, "standard")
    assert (made.fusion_version, made.calibration, made.model_fingerprint) == (FUSION, PROCEDURE, MODEL)
    assert made.expire_time == NOW + LASTS
    assert made.bound <= 1 - EASY.target


def test_what_is_missing_names_the_counts_of_the_look(store: Store, certifier: Certifier) -> None:
    """Where the candidates were wrong too often, it is said how many of how many may be."""
    judge_many(store, candidates(FIRST_LOOK), infringing=False)
    sample = certifier.sample("standard", now=NOW)

    assert certifier.certificate(sample, EASY, now=NOW) is None
    level = 0.2 * (1 - EASY.confidence) / 4
    assert f"The look at 1,250 takes {verified_needed(0, EASY, level=level)} with 0" in what_is_missing(sample, EASY)


def test_suspension_refutes_what_was_before(store: Store, certifier: Certifier) -> None:
    """After a suspension only later verdicts can prove the tier's next certificate."""
    judge_many(store, candidates(FIRST_LOOK), infringing=True)
    made = certifier.certificate(certifier.sample("standard", now=NOW), EASY, now=NOW)
    assert made is not None
    store.issue_certificate(made, actor="ada", reason="proved")
    suspended = CertificateState.SUSPENDED
    store.change_certificate(made.certificate_id, suspended, reason="alarm", actor="kill switch", now=NOW)
    judge(store, record(store, "new", probability=0.97), infringing=True)

    assert asked(certifier.sample("standard", now=NOW)) == [(0.97, False)]
