"""Rules per category, market and brand apply where they say, and old files decide as they did."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.facts import FACTS, Facts, Value
from serving.policy import decide, load_policy
from serving.policy_scope import Scope

GOLDEN = Path(__file__).parents[1] / "golden" / "policies"


def _facts(**changes: Value) -> Facts:
    neutral = {name: fact.neutral for name, fact in FACTS.items()}
    return Facts(neutral | {name.replace("__", "."): value for name, value in changes.items()})


BAG = "fashion > bags > handbags"


@pytest.mark.parametrize(
    ("scope", "changes", "covered"),
    [
        (Scope(), {}, True),
        (Scope(categories=("fashion > bags",)), {"category__predicted": BAG}, True),
        (Scope(categories=("fashion > bags",)), {"category__declared_path": BAG}, True),
        (Scope(categories=(BAG,)), {"category__predicted": BAG}, True),
        (Scope(categories=("fashion",)), {"category__predicted": BAG}, True),
        (Scope(categories=("fashion > bag",)), {"category__predicted": BAG}, False),
        (Scope(categories=("fashion > shoes",)), {"category__predicted": BAG}, False),
        (Scope(categories=("fashion > shoes", "fashion > bags")), {"category__predicted": BAG}, True),
        (Scope(categories=("fashion",)), {}, False),
        (Scope(markets=("DE", "FR")), {"listing__market": "FR"}, True),
        (Scope(markets=("DE", "FR")), {"listing__market": "US"}, False),
        (Scope(markets=("DE", "FR")), {}, False),
        (Scope(brands=("hermes",)), {"brand__name": "HERMÈS"}, True),
        (Scope(brands=("hermes",)), {"brand__name": "Hermes Trismegistos"}, False),
        (Scope(brands=("hermes",)), {}, False),
        (
            Scope(categories=("fashion",), markets=("DE",)),
            {"category__predicted": BAG, "listing__market": "US"}, False,
        ),
    ],
)  # fmt: skip
def test_scope_covers_what_it_names(scope: Scope, changes: dict[str, Value], covered: bool) -> None:
    """Of several limits each must be met; what is not known meets none."""
    assert scope.covers(_facts(**changes)) == covered


def test_condition_is_not_evaluated_outside_the_scope(tmp_path: Path) -> None:
    """A rule for bags cannot fail on shoes."""
    path = tmp_path / "policy.yaml"
    path.write_text(
        "format_version: 2\nname: mine\nrules:\n  - id: one\n    categories: [fashion > bags]\n"
        "    when: reports.count == 0 || 10 / (reports.count - 1) > 100\n"
        "    verdict: REVIEW\n    code: ONE\n    text: one\n",
        encoding="utf-8",
    )
    policy = load_policy(path)

    inside = decide(_facts(reports__count=1, category__predicted=BAG), policy)
    outside = decide(_facts(reports__count=1, category__predicted="fashion > shoes"), policy)

    assert [reason.code for reason in inside.reasons] == ["POLICY_ERROR"]
    assert (inside.errors, outside.errors, outside.verdict) == (1, 0, "ALLOW")


def test_policy_of_format_1_decides_as_it_did() -> None:
    """A file of format 1 keeps its version and its verdicts in every later release."""
    policy = load_policy(GOLDEN / "v1.yaml")
    cheap: dict[str, Value] = {
        "price__known": True,
        "price__ratio": 0.25,
        "brand__known": True,
        "brand__name": "Aurora",
    }

    assert policy.version == "golden-v1@5d25d621e264"
    assert decide(
        _facts(duplicate__known_counterfeit=True, duplicate__known_counterfeit_distance=31), policy
    ).verdict == ("TAKEDOWN")
    assert [reason.text for reason in decide(_facts(**cheap), policy).reasons] == ["Aurora at 0.25 of its usual price"]
    assert decide(_facts(**cheap, seller__authorised=True), policy).verdict == "ALLOW"
    assert decide(_facts(text__replica_words=["AAA"]), policy).verdict == "REVIEW"
    assert decide(_facts(text__replica_words=["1:1"]), policy).verdict == "ALLOW"


def test_policy_of_format_2_decides_as_it_did() -> None:
    """So does a file of format 2: `NO` is Norway, and a brand is known by any spelling."""
    policy = load_policy(GOLDEN / "v2.yaml")
    cheap: dict[str, Value] = {"price__known": True, "price__ratio": 0.25, "category__predicted": BAG}

    assert policy.version == "golden-v2@b25f6f5deffb"
    assert [decide(_facts(**cheap, listing__market=market), policy).verdict for market in ("DE", "NO", "FR")] == [
        "REVIEW", "REVIEW", "ALLOW",
    ]  # fmt: skip
    assert decide(_facts(brand__name="louis-vuitton"), policy).verdict == "REVIEW"
