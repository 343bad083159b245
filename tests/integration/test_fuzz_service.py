"""A short pass of `make fuzz`: every rpc, policy files and image headers against hostile input, by its own seed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.fuzz.files import guided, policy_cases
from tests.fuzz.wire import METHODS, target_at, wire_cases

SEED = 20_261_123


def test_no_message_makes_any_rpc_fail_for_an_unknown_reason(tmp_path: Path) -> None:
    """Made up, mutated and random messages on every rpc: no INTERNAL, no UNKNOWN, none without an answer."""
    with target_at(tmp_path) as target:
        tally = wire_cases(target, 12 * len(METHODS), SEED)

    assert tally.cases == 12 * len(METHODS)
    assert tally.findings == []
    assert tally.outcomes["OK"] > len(METHODS) / 2  # what is sent is not refused at the door alone
    assert {"INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED"} <= tally.outcomes.keys()


def test_no_policy_file_fails_without_saying_where() -> None:
    """Mutants of every policy that there is are compiled or refused as a `PolicyError`."""
    tally = policy_cases(300, SEED)

    assert tally.findings == []
    assert tally.outcomes.keys() == {"POLICY", "fault"}


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed: extra `fuzz`")
@pytest.mark.parametrize("which", ["headers", "policy"])
def test_coverage_guided_fuzzing_runs(which: str) -> None:
    """Atheris explores our parsers from the same seeds; a few hundred cases find nothing."""
    tally = guided(which, 300, SEED, within_s=20)

    assert tally.findings == []
    assert tally.cases >= 300
