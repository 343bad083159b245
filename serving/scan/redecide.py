"""What would the policy in force say of listings already screened? Decides again from stored facts, without any pixels.

Each decision on record carries the facts that it was taken on (`serving.facts_record`). The judge that serves
(`serving.judging`) weighs them again, so that a row says what a screening would say now if photos, records of the
seller, prices and legal holds were still what they were. What only pixels tell (the match and its place, hashes) is the
stored decision's.

A certificate for takedowns holds for the model that it was proved with: each decision is judged by the certificates for
the model that saw its photos, not for the one that is installed now.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from index.scans import DecidedListing
from index.store.store import Store
from serving.facts import Facts
from serving.facts_record import pack, unpack
from serving.fusion_file import load_fusion
from serving.in_force import InForce
from serving.judging import Judge, Judgement
from serving.policy import load_policy
from serving.policy_book import PolicySource
from serving.scan.blocks import ScanBlock, ScanFault
from serving.scan.catalogue import DecidedItem
from serving.scan.outcome import at_even_odds
from serving.scan.rows import BlockResult, ScanRow
from serving.settings import Settings
from touchstone.moderation.v1 import decision_pb2, evidence_pb2
from vision.taxonomy import load_taxonomy

# Of a block when nothing but the store is read: as many as a row group of the scan's file has.
REDECIDE_ENTRIES = 4_096
# Stands in a scan's metadata where each row has a version of its own.
AS_DECIDED = "as decided"


@dataclass(frozen=True)
class Judges:
    """What decides now. Any number of threads may use it."""

    in_force: InForce

    @classmethod
    def open(cls, store: Store, settings: Settings) -> Judges:
        """Read what is in force; no model is loaded.

        Raises:
            PolicyError, TaxonomyError, StoreError: it cannot be used; the message names the file.

        """
        taxonomy = load_taxonomy(settings.taxonomy)
        bootstrap = load_policy(settings.policy, taxonomy=lambda: taxonomy)
        book = PolicySource(store=store, bootstrap=bootstrap, taxonomy=lambda: taxonomy)
        return cls(InForce.open(store, book, load_fusion(settings.fusion), model=""))

    def judge(self, facts: Facts, *, model: str) -> Judgement:
        """Decide on facts that the model of this fingerprint found. Policies in shadow change nothing: left out."""
        return self._of_model(model).judge(facts)

    @cached_property
    def versions(self) -> dict[str, str]:
        """Name the versions that decide, as a scan's metadata has them."""
        return {
            "model_fingerprint": AS_DECIDED,
            "index_version": AS_DECIDED,
            "policy_version": self._judge.policies.active.version,
            "fusion_version": self.in_force.fusion.version,
            "calibration_version": self._judge.calibrator.version,
        }

    @cached_property
    def _judge(self) -> Judge:
        judge = self.in_force.judge()
        return replace(judge, policies=replace(judge.policies, shadows=()))

    @cached_property
    def _of_model(self) -> Callable[[str], Judge]:
        gate = self.in_force.gate
        return cache(
            lambda model: replace(self._judge, gate=replace(gate, versions=replace(gate.versions, model=model)))
        )


@dataclass(frozen=True)
class Redecider:
    """Decides on blocks of a `CatalogueSource` again. Any number of threads may use it."""

    store: Store
    judges: Judges
    scan_id: str

    def screen(self, block: ScanBlock) -> BlockResult:
        """Decide on each listing again; one without facts has a row that asks for a person, and a fault."""
        items = [entry for entry in block.entries if isinstance(entry, DecidedItem)]
        if len(items) != len(block.entries):
            raise TypeError("only listings of a CatalogueSource can be decided again")
        decided = self.store.decided([item.decision_id for item in items])
        rows: list[ScanRow] = []
        faults: list[ScanFault] = []
        for item in items:
            listing = decided.get(item.decision_id)
            try:
                facts = _facts(item, listing)
            except ValueError as error:
                said = str(error)
                faults.append(ScanFault(line=item.line, listing_id=item.listing_id, code="NO_FACTS", message=said))
                rows.append(ScanRow(listing_id=item.listing_id, line=item.line, verdict="REVIEW", error=said))
                continue
            assert listing is not None
            judgement = self.judges.judge(facts, model=listing.record.model_fingerprint)
            row = replace(_as_decided(item, listing), **_as_judged(judgement))
            rows.append(replace(row, decision_id=row_id(self.scan_id, item.listing_id)))
        return BlockResult(block.number, tuple(rows), tuple(faults))


def row_id(scan_id: str, listing_id: str) -> str:
    """Name a row: the same for the same listing in the same scan, however often it is resumed."""
    return hashlib.sha256(f"{scan_id}:{listing_id}".encode()).hexdigest()[:32]


def price_score(facts: Facts) -> float | None:
    """Return the probability 0..1 that the price is anomalous, at even odds before it; None without a usual price."""
    score = facts.values["price.score"]
    assert isinstance(score, float | int)
    if facts.values["price.known"] is not True or not math.isfinite(score):
        return None
    return at_even_odds(score)


def _facts(item: DecidedItem, listing: DecidedListing | None) -> Facts:
    """Read what a decision was taken on. Raises ValueError when nothing can be read."""
    if listing is None or listing.facts is None:
        raise ValueError(f"no facts are on record of the decision {item.decision_id!r}: screen the listing again")
    try:
        return unpack(listing.facts)
    except ValueError as error:
        raise ValueError(f"the decision {item.decision_id!r}: {error}; screen the listing again") from error


def _as_judged(judgement: Judgement) -> dict[str, Any]:
    """Give the columns that follow from the facts."""
    return {
        "verdict": str(judgement.outcome.verdict),
        "counterfeit_probability": judgement.probability,
        "reasons": tuple(reason.code for reason in judgement.reasons),
        "policy_version": judgement.policy_version,
        "price_score": price_score(judgement.facts),
        "facts": pack(judgement.facts),
    }


def _as_decided(item: DecidedItem, listing: DecidedListing) -> ScanRow:
    """Make the row of a decision as it stands on record."""
    record, decision = listing.record, decision_pb2.Decision.FromString(listing.record.payload)
    sha256s = tuple(result.sha256 for result in decision.image_results)
    return ScanRow(
        listing_id=item.listing_id,
        line=item.line,
        verdict=record.verdict,
        brand=record.brand or None,
        category=" > ".join(decision.category.path) or None,
        model_fingerprint=record.model_fingerprint,
        index_version=record.index_version,
        error="; ".join(result.message for result in decision.image_results if result.message) or None,
        seller_id=record.seller_id or None,
        market=record.market or None,
        image_sha256=sha256s,
        image_hashes=tuple(listing.hashes.get(sha256, b"") for sha256 in sha256s),
        **_match(decision.evidence),
        **_price(decision.evidence),
    )


def _match(evidence: Iterable[evidence_pb2.Evidence]) -> dict[str, Any]:
    matches = [one.visual_match for one in evidence if one.HasField("visual_match")]
    if not matches:
        return {}
    best = max(matches, key=lambda match: match.probability)
    return {
        "match_brand": best.brand,
        "match_reference_id": best.reference_id,
        "match_score": best.probability,
        "match_image": best.image_index,
        "match_box": (best.box.x1, best.box.y1, best.box.x2, best.box.y2),
    }


def _price(evidence: Iterable[evidence_pb2.Evidence]) -> dict[str, Any]:
    """Give the price of one piece, which a decision tells where usual prices are known."""
    for one in evidence:
        if one.HasField("price"):
            money = one.price.unit_price
            return {"price_amount": money.units + money.nanos / 1e9, "price_currency": money.currency_code}
    return {}
