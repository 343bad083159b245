"""Can an operator keep sellers by the command line? Import, authorise, show, fit and rings, with their exit codes."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from index.decision_records import DecisionRecord, ListingImage
from index.records import Brand
from index.store.store import Store
from tests.integration.support import Touchstone

pytestmark = pytest.mark.usefixtures("acts_are_entered")

SELLER: dict[str, Any] = {
    "seller_id": "s9",
    "country": "DE",
    "legal_name": "Muster Handels GmbH",
    "address": "Musterstr. 1, 10115 Berlin",
    "phone": "+49 30 901820",
    "email": "shop@example.com",
    "bank_account": "DE89370400440532013000",
    "bank_account_holder": "Muster Handels GmbH",
    "tax_id": "DE136695976",
    "lei": "213800KUD8LAJWSQ9D15",
    "self_certified": "2026-01-01T12:00:00Z",
    "sales": {"total": 1200, "annual": 250, "annual_usd": 25000, "high_volume_since": "2026-01-02T12:00:00Z"},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a data folder whose registry knows Nike."""
    folder = tmp_path / "data"
    with Store.open(folder / "touchstone.db") as store:
        store.put_brands([Brand(brand_id="nike", name="Nike")])
    return folder


def written(tmp_path: Path, *rows: object) -> Path:
    """Write rows into a file."""
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_sellers_are_imported_and_shown_masked(data: Path, tmp_path: Path, touchstone: Touchstone) -> None:
    """Good rows go in, bad ones are named with exit code 3; personal data are shown only when they are asked for."""
    rows = written(tmp_path, SELLER, SELLER | {"seller_id": "bad", "tax_id": "DE000000000"})

    imported = touchstone("--data-dir", data, "--json", "sellers", "import", rows)
    shown = touchstone("--data-dir", data, "--json", "sellers", "show", "s9")
    in_words = touchstone("--data-dir", data, "sellers", "show", "s9")
    personal = touchstone("--data-dir", data, "--json", "sellers", "show", "s9", "--personal")

    assert imported.code == 3
    assert json.loads(imported.stdout) == {"imported": 1, "states": {"PENDING": 1}, "faults": 1}
    assert "rows.jsonl:2: tax_id: 'D…0'" in imported.stderr
    document = json.loads(shown.stdout)
    assert (document["verification"], document["identity"]["missing"]) == ("PENDING", [])
    assert document["duties"]["high_volume"]
    assert document["duties"]["disclose_to_buyers"]
    assert document["duties"]["verify_by"] > document["identity"]["collected"]
    assert document["duties"]["certify_by"].startswith("2027-01-01")
    for told in (shown.stdout, in_words.stdout):
        assert "example.com" not in told
    assert "identity.email: 's…m' (16 characters)" in in_words.stdout
    assert json.loads(personal.stdout)["identity"]["email"] == "shop@example.com"


def test_personal_data_stay_out_of_the_log(
    data: Path, tmp_path: Path, touchstone: Touchstone, caplog: pytest.LogCaptureFixture
) -> None:
    """With everything logged, an import that partly fails writes no personal value anywhere."""
    rows = written(tmp_path, SELLER, SELLER | {"seller_id": "bad", "phone": "030 901820"})

    with caplog.at_level(logging.DEBUG):
        imported = touchstone("-v", "--data-dir", data, "sellers", "import", rows)

    told = imported.stdout + imported.stderr + caplog.text
    assert imported.code == 3
    assert not any(value in told for value in ("example.com", "Musterstr", "030 901820", "DE89", "136695976"))


def test_lists_are_replaced_as_a_whole(data: Path, tmp_path: Path, touchstone: Touchstone) -> None:
    """A file replaces the lists of its brands; with one bad row nothing changes, and the exit code is 2."""
    good = {"brand": "NIKE", "seller_id": "s9", "territories": ["DE", "FR"]}

    done = touchstone("--data-dir", data, "--json", "sellers", "authorise", written(tmp_path, good))
    unknown = written(tmp_path, {"brand": "Nike", "seller_id": "t"}, {"brand": "Noname", "seller_id": "t"})
    refused = touchstone("--data-dir", data, "sellers", "authorise", unknown)

    assert (done.code, json.loads(done.stdout)) == (0, {"brands": {"nike": 1}})
    assert refused.code == 2
    assert "rows.jsonl:2: brand: 'Noname' is not in the registry" in refused.stderr
    with Store.open(data / "touchstone.db") as store:
        now = datetime.now(UTC)
        kept = store.seller_standing("s9", now=now, brand_id="nike", territory="FR").authorisation
        added = store.seller_standing("t", now=now, brand_id="nike", territory="FR").authorisation
    assert kept is not None
    assert added is not None
    assert (kept.authorised, added.authorised) == (True, False)


def test_unknown_seller_cannot_be_shown(data: Path, touchstone: Touchstone) -> None:
    """A seller whom nobody told of is named, with exit code 1."""
    shown = touchstone("--data-dir", data, "sellers", "show", "stranger")

    assert shown.code == 1
    assert "'stranger'" in shown.stderr


def test_priors_are_fitted_from_what_is_on_record(data: Path, touchstone: Touchstone) -> None:
    """With too few sellers the default stands, and is said to; with enough a prior comes into force."""
    with Store.open(data / "touchstone.db") as store:
        _sell(store, sellers=10)
    few = touchstone("--data-dir", data, "sellers", "fit")
    with Store.open(data / "touchstone.db") as store:
        _sell(store, sellers=220)

    fitted = touchstone("--data-dir", data, "--json", "sellers", "fit")

    assert few.code == 0
    assert "too few" in few.stdout
    (prior,) = json.loads(fitted.stdout)["priors"]
    assert (prior["kind"], prior["sellers"]) == ("strikes", 220)
    with Store.open(data / "touchstone.db") as store:
        assert store.seller_standing("x", now=datetime.now(UTC)).strike_prior.alpha == prior["alpha"]


def test_rings_are_found_and_shown(data: Path, touchstone: Touchstone) -> None:
    """Two sellers with the same three photos are a ring; `show` names the members."""
    photos = [ListingImage(sha256=f"{number:064x}") for number in range(3)]
    with Store.open(data / "touchstone.db") as store:
        for seller in ("a", "b"):
            for number, photo in enumerate(photos):
                store.record_decision(_decision(f"{seller}{number}", seller), images=[photo])

    found = touchstone("--data-dir", data, "--json", "sellers", "rings")
    shown = touchstone("--data-dir", data, "sellers", "show", "a")

    assert json.loads(found.stdout) == {"version": 1, "rings": 1, "sellers": 2}
    assert "ring.sellers: a, b" in shown.stdout


def _sell(store: Store, *, sellers: int) -> None:
    """Put one listing of each seller on record; every fifth is a known counterfeit."""
    for number in range(sellers):
        listing = f"{sellers}-{number}"
        store.record_decision(_decision(listing, f"s{number}", presumed=number % 5 == 0))


def _decision(listing_id: str, seller_id: str, *, presumed: bool = False) -> DecisionRecord:
    return DecisionRecord(
        decision_id=f"d-{listing_id}", listing_id=listing_id, verdict="ALLOW", create_time=datetime.now(UTC),
        payload=b"", request_sha256="0" * 64, seller_id=seller_id, presumed_strike=presumed,
    )  # fmt: skip
