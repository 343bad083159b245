"""How long does deciding take? Processor time, to read with `pytest -s`; only a gross slip fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from index.holds import HoldSubject, HoldVerdict, LegalHold
from index.policies import FactsOnRecord
from index.store.store import Store
from serving.comparison import backtest
from serving.facts import FACTS, Facts
from serving.facts_record import pack
from serving.gate import UNCERTIFIED
from serving.policy import decide, load_policy
from serving.policy_file import compile_policy

RULES = 300
HOLDS = 2_000
DECISIONS = 2_000
# The whole stage of price, seller, text, fusion and policy may take 5 ms.
MOST_DEFAULT_MS = 1.0
MOST_MANY_MS = 20.0

SUSPECT = Facts(
    {name: fact.neutral for name, fact in FACTS.items()}
    | {"listing.claimed_brand": "Hermès", "listing.market": "DE", "images.count": 3, "brand.name": "Hermès"}
    | {"brand.known": True, "visual.matched": True, "visual.brand": "Hermès", "visual.similarity": 0.91}
    | {"visual.probability": 0.97, "text.replica_wording": True, "text.replica_words": ["1:1", "AAA"]}
    | {"price.known": True, "price.ratio": 0.05, "price.score": 3.25, "price.observations": 120}
    | {"category.declared": "Bags > Handbags", "category.declared_path": "fashion > bags > handbags"}
    | {"category.predicted": "fashion > bags > handbags", "category.probability": 0.88, "seller.known": True}
    | {"seller.unauthorised": True, "seller.strikes": 2, "fused.probability": 0.93}
)
_WHENS = (
    "price.known && price.ratio < 0.{n} && brand.known && !seller.authorised",
    "seller.strikes >= {n} && brand.known",
    "fused.probability >= 0.{n}",
    "text.brands.exists(one, one == brand.name) && images.count > {n}",
)


def _many_rules() -> bytes:
    rules = (
        f"  - id: r{number}\n    when: {_WHENS[number % len(_WHENS)].format(n=number % 9 + 1)}\n    verdict: REVIEW\n"
        f'    code: RULE_{number}\n    text: "{{brand.name}} at {{price.ratio}}"\n'
        for number in range(RULES)
    )
    return f"format_version: 2\nname: many\nrules:\n{''.join(rules)}".encode()


def _median_ms(work: Callable[[], object], *, times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.thread_time_ns()
        work()
        taken.append(time.thread_time_ns() - start)
    return sorted(taken)[times // 2] / 1e6


def test_deciding_is_quick() -> None:
    """The default policy decides in a small part of the stage's 5 ms; hundreds of rules do not change the order."""
    shipped, many = load_policy(), compile_policy(_many_rules(), source=Path("many"))

    default_ms = _median_ms(lambda: decide(SUSPECT, shipped), times=500)
    many_ms = _median_ms(lambda: decide(SUSPECT, many), times=100)
    pack_ms = _median_ms(lambda: pack(SUSPECT), times=500)

    fired = len(decide(SUSPECT, many).fired)
    print(
        f"\ndecide: {default_ms:.3f} ms with {len(shipped.rules)} rules, {many_ms:.2f} ms with {RULES} ({fired} fire)"
    )
    print(f"facts: {len(pack(SUSPECT))} bytes, packed in {pack_ms:.3f} ms")
    assert default_ms < MOST_DEFAULT_MS
    assert many_ms < MOST_MANY_MS


def test_holds_are_looked_up_quickly(tmp_path: Path) -> None:
    """Among thousands of orders the few that cover a listing are found in the time of one indexed query."""
    now = datetime.now(UTC)
    with Store.open(tmp_path / "store.db") as store:
        for number in range(HOLDS):
            subject = list(HoldSubject)[number % 3]
            store.add_hold(
                LegalHold(
                    hold_id=f"hold-{number}",
                    subject=subject,
                    subject_id=f"{subject} {number}",
                    verdict=HoldVerdict.REVIEW,
                    why="docket",
                    author="counsel",
                    create_time=now,
                )
            )
        found = store.holds_on(listing_id="listing 0", seller_id="seller 1", brands=["Brand 2"], at=now)
        lookup_ms = _median_ms(
            lambda: store.holds_on(listing_id="l", seller_id="s", brands=["b", "c"], at=now), times=300
        )

    print(f"\nholds: {lookup_ms:.3f} ms a look-up among {HOLDS:,}")
    assert [hold.hold_id for hold in found] == ["hold-0", "hold-1", "hold-2"]
    assert lookup_ms < 5.0


def test_backtest_speed() -> None:
    """A backtest reads, decides and counts thousands of decisions in seconds."""
    facts = pack(SUSPECT)
    decisions = (
        FactsOnRecord(
            number=number,
            decision_id=f"d{number}",
            listing_id=f"l{number}",
            brand="Hermès",
            verdict="ALLOW",
            policy_version="old@1",
            create_time=datetime.now(UTC),
            facts=facts,
        )
        for number in range(DECISIONS)
    )
    start = time.thread_time()

    comparison = backtest(decisions, load_policy(), UNCERTIFIED, damaged=print)

    each_us = (time.thread_time() - start) / DECISIONS * 1e6
    print(f"\nbacktest: {each_us:.0f} us a decision")
    assert comparison.total.changed == DECISIONS
    assert each_us < 5_000
