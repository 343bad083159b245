"""`touchstone guarantee` and `touchstone learn`: from verdicts on record to a certificate, and back out of force."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from index.guarantee import FIRST_LOOK, STARTS, THRESHOLDS, Promise, last_look, verified_needed
from index.records import Brand
from index.store.store import Store
from index.verdicts import VerdictSource
from serving.calibrating import CalibrationSource
from serving.cli.main import touchstone
from serving.settings import load_settings
from tests.unit.judging import FUSION, a_decision, judge, judge_many, record

EASY = ("--target", "0.8", "--confidence", "0.8")
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fill a store: a brand, and 1,250 candidates that people judged, all of them infringing."""
    folder = tmp_path_factory.mktemp("filled")
    with Store.open(load_settings(data_dir=folder).store_path) as store:
        store.put_brands([Brand(brand_id="acme", name="Acme")])
        judge_many(store, [a_decision(f"d{n}", probability=0.9995) for n in range(FIRST_LOOK)], infringing=True)
    return folder


@pytest.fixture
def data_dir(filled: Path, tmp_path: Path) -> Path:
    """Copy the filled store, so that each test has its own."""
    return shutil.copytree(filled, tmp_path / "data")


@pytest.fixture
def run(data_dir: Path) -> Run:
    """Call a command on that store."""
    return lambda *words: CliRunner().invoke(touchstone, ["--data-dir", str(data_dir), *words])


def document(result: Result) -> Any:
    """Read what a command printed as JSON."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_dry_run_certifies_nothing(run: Run) -> None:
    """A dry run says what would be certified, and nothing is on record."""
    said = run("guarantee", "certify", "--dry-run", *EASY)

    assert said.exit_code == 0
    assert "standard: from 0.9991 on would be certified: of 1,250 candidates 0 were wrong" in said.output.replace(
        "\n", " "
    )
    assert document(run("--json", "guarantee", "list")) == []


def test_certificate_is_issued_shown_suspended_and_reinstated(run: Run) -> None:
    """Who certified, suspended and reinstated, and why, is on record and shown."""
    (outcome,) = document(run("--json", "guarantee", "certify", "--as", "ada", *EASY))
    name = outcome["certificate"]["certificate_id"]

    assert document(run("--json", "guarantee", "list"))[0]["state"] == "valid"
    assert run("guarantee", "suspend", name, "--as", "bob", "--why", "complaints").exit_code == 0
    assert document(run("--json", "guarantee", "show", name))["state"] == "suspended"
    assert run("guarantee", "reinstate", name, "--as", "ada", "--why", "unfounded").exit_code == 0
    changes = document(run("--json", "guarantee", "show", name))["changes"]
    assert [(one["state"], one["actor"]) for one in changes] == [
        ("valid", "ada"), ("suspended", "bob"), ("valid", "ada"),
    ]  # fmt: skip
    assert "suspended by bob: complaints" in run("guarantee", "show", name).output


def test_what_proves_nothing_says_what_is_missing(run: Run, data_dir: Path) -> None:
    """Where one in fifty was wrong the promise that ships is not proved: exit 1, with the counts that it takes."""
    with Store.open(load_settings(data_dir=data_dir).store_path) as store:
        for number in range(25):
            judge(store, store.get_decision(f"d{number}"), infringing=False)

    said = run("guarantee", "certify", "--as", "ada")

    assert said.exit_code == 1
    assert "1,250 candidates of at least 0.73 are on record, 25 of them wrong" in said.output
    assert "The look at 1,250 takes 1,196 with 0, 1,639 with 1" in said.output


@pytest.mark.parametrize(
    "words",
    [("certify", "--dry-run", "--target", "1"), ("tier", "Acme"), ("suspend", "c1", "--as", "bob")],
)
def test_incomplete_commands_are_refused(run: Run, words: tuple[str, ...]) -> None:
    """Why is asked for, a promise must be one, and a brand needs a tier: exit 2."""
    assert run("guarantee", *words).exit_code == 2


def test_kill_switch_is_settled_by_listing(run: Run, data_dir: Path) -> None:
    """Also where no service runs, wrong audits suspend a certificate as soon as anybody looks."""
    (outcome,) = document(run("--json", "guarantee", "certify", "--as", "ada", *EASY))
    name = outcome["certificate"]["certificate_id"]
    with Store.open(load_settings(data_dir=data_dir).store_path) as store:
        for number in range(20):
            made = record(store, f"taken-{number}", verdict="TAKEDOWN", certificate_id=name)
            judge(store, made, infringing=False, source=VerdictSource.AUDIT)

    (listed,) = document(run("--json", "guarantee", "list"))

    assert (listed["state"], listed["actor"]) == ("suspended", "kill switch")


def test_brand_gets_its_tier(run: Run) -> None:
    """A brand is put into a tier by any of its spellings; one that the registry does not know is refused."""
    assert run("guarantee", "tier", "ACME", "watches").exit_code == 0
    assert [(one["brand"], one["tier"]) for one in document(run("--json", "guarantee", "tier"))] == [
        ("Acme", "watches")
    ]
    assert run("guarantee", "tier", "Acne", "watches").exit_code == 1


def test_learning_in_batch_and_recomputing(run: Run, data_dir: Path) -> None:
    """`learn run` learns what is there, `learn status` shows it, and `learn verify` recomputes a decision."""
    behind = document(run("--json", "learn", "status"))
    reached = document(run("--json", "learn", "run"))
    with Store.open(load_settings(data_dir=data_dir).store_path) as store:
        adjusted = CalibrationSource(store, FUSION).open().adjust(0.6, "Acme")
        record(store, "new", uncalibrated=0.6, probability=adjusted.probability, calibration=adjusted.version)
        record(store, "wrong", uncalibrated=0.6, probability=0.6, calibration=adjusted.version)

    assert (behind["learnt"], behind["verdict_head"]) == (0, FIRST_LOOK)
    assert (reached["learnt"], reached["calibration_version"]) == (FIRST_LOOK, adjusted.version)
    assert "1250 verdicts learnt from, up to number 1250 of 1250" in run("learn", "status").output
    verified = document(run("--json", "learn", "verify", "new"))
    assert verified["recorded"] == verified["recomputed"] == adjusted.probability
    assert run("learn", "verify", "wrong").exit_code == 1


def test_page_says_what_there_is() -> None:
    """Every command on docs/guarantee.md exists, and the counts there are those of the code."""
    page = (Path(__file__).parents[2] / "docs" / "guarantee.md").read_text(encoding="utf-8")

    for command in re.findall(r"^\$ touchstone (\w+ \w+)", page, re.MULTILINE):
        assert CliRunner().invoke(touchstone, [*command.split(), "--help"]).exit_code == 0, command
    look = last_look(FIRST_LOOK)
    assert look is not None
    for level in (0.05, 0.05 * look.share / STARTS):
        counts = (verified_needed(errors, Promise(), level=level) for errors in (0, 1, 3, 10))
        assert " | ".join(f"{count:,}" for count in counts) in page
    assert f"{len(THRESHOLDS)} thresholds" in page
    assert f"when {FIRST_LOOK:,}, {2 * FIRST_LOOK:,}" in page
