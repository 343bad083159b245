"""Is what sellers tell of themselves checked, normalised and kept from being shown? And what follows from it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from index.errors import SellerDataError
from index.identity import PERSONAL, IdentityRecord, SalesVolume, SellerIdentity, Verification, renewed
from index.identity_checks import masked
from index.seller_files import AuthorisationRow, read_authorisations, read_sellers
from index.territories import countries_of, regions
from index.verification import VerificationState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PASSED, FAILED = Verification("eID", True, NOON), Verification("eID", False, NOON)
# Numbers from the documentation of python-stdnum and of the standards; no person's.
GERMAN: dict[str, Any] = {
    "seller_id": "s9",
    "country": "DE",
    "legal_name": "Muster  Handels GmbH",
    "address": "Musterstr. 1, 10115 Berlin",
    "phone": "+49 (30) 901-820",
    "email": "shop@example.com",
    "bank_account": "DE89 3704 0044 0532 0130 00",
    "bank_account_holder": "Muster Handels GmbH",
    "tax_id": "DE 136,695 976",
    "trade_register": "Aachen",
    "trade_register_number": "HRA 11223",
    "lei": "213800KUD8LAJWSQ9D15",
    "self_certified": "2025-12-31T12:00:00+01:00",
    "verification": {"method": "eID", "result": "passed", "time": "2026-01-01T12:00:00Z"},
    "sales": {"total": 1200, "annual": 250, "annual_usd": 7200.50, "high_volume_since": "2025-11-01T00:00:00Z"},
    "create_time": "2024-05-01T00:00:00Z",
    "shoe_size": 43,
}


def written(tmp_path: Path, *rows: object) -> Path:
    """Write rows into a file."""
    path = tmp_path / "sellers.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> tuple[list[SellerIdentity], list[str]]:
    """Read all sellers, and the messages about those that cannot be."""
    faults: list[str] = []
    found = [identity for _, identity in read_sellers(path, on_error=lambda error: faults.append(str(error)))]
    return found, faults


def refused(tmp_path: Path, **changes: object) -> str:
    """Change fields of the German seller, and return the one message that comes of it."""
    found, faults = read(written(tmp_path, GERMAN | changes))
    assert found == []
    (fault,) = faults
    return fault


# --- reading ---------------------------------------------------------------------------------------------------------


def test_seller_is_read_in_normal_form(tmp_path: Path) -> None:
    """Numbers lose their blanks, times become UTC, unknown keys are left alone."""
    (seller,), faults = read(written(tmp_path, GERMAN, ""))

    assert faults == []
    assert seller == SellerIdentity(
        seller_id="s9",
        country="DE",
        legal_name="Muster Handels GmbH",
        address="Musterstr. 1, 10115 Berlin",
        phone="+4930901820",
        email="shop@example.com",
        bank_account="DE89370400440532013000",
        bank_account_holder="Muster Handels GmbH",
        tax_id="DE136695976",
        trade_register="Aachen",
        trade_register_number="HRA 11223",
        lei="213800KUD8LAJWSQ9D15",
        self_certify_time=datetime(2025, 12, 31, 11, tzinfo=UTC),
        verification=PASSED,
        sales=SalesVolume(
            total=1200, annual=250, annual_usd=Decimal("7200.5"), qualify_time=datetime(2025, 11, 1, tzinfo=UTC)
        ),
        create_time=datetime(2024, 5, 1, tzinfo=UTC),
    )
    assert seller.missing == ()


@pytest.mark.parametrize(
    ("country", "field", "value", "normal"),
    [
        ("US", "tax_id", "91-1144442", "911144442"),
        ("US", "tax_id", "536-90-4399", "536904399"),
        ("US", "bank_account", "111000025-1234567", "111000025-1234567"),
        ("CN", "tax_id", "91110000600037341L", "91110000600037341L"),
        ("CN", "trade_register_number", "91110000600037341L", "91110000600037341L"),
        ("CN", "bank_account", "6222 0210 0111 6245 702", "6222021001116245702"),
        ("GR", "tax_id", "EL 094259216", "EL094259216"),
        ("DE", "tax_id", "36 574 261 809", "36574261809"),
        ("GB", "tax_id", "GB 980 7806 84", "980780684"),
        ("FR", "trade_register_number", "552 008 443", "552008443"),
        ("NG", "tax_id", "12345678-0001", "12345678-0001"),
        ("DE", "government_id", "L01X00T47", "L01X00T47"),
    ],
)
def test_number_is_checked_by_the_rules_of_its_country(
    tmp_path: Path, country: str, field: str, value: str, normal: str
) -> None:
    """VAT, EIN, USCC and what else python-stdnum knows; where it knows nothing, the form."""
    (seller,), faults = read(written(tmp_path, {"seller_id": "s", "country": country, field: value}))

    assert faults == []
    assert getattr(seller, field) == normal


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"tax_id": "DE136695977"},
            "tax_id: 'D…7' (11 characters) is not allowed; give one with the right digits: VAT",
        ),
        ({"tax_id": "FR40303265045"}, "tax_id: 'F…5' (13 characters) is not allowed"),
        ({"country": "US", "tax_id": "07-1144442"}, "EIN (U.S. Employer Identification Number) or TIN"),
        ({"country": "CN", "tax_id": "A1110000600037342L"}, "USCC (Unified Social Credit Code"),
        ({"lei": "213800KUD8LAJWSQ9D14"}, "lei: '2…4' (20 characters) is not allowed"),
        ({"bank_account": "DE89370400440532013001"}, "IBAN (International Bank Account Number)"),
        ({"bank_account": "12"}, "bank_account: '…' (2 characters) is not allowed; give an IBAN"),
        ({"country": "US", "bank_account": "111000024-1234567"}, "RTN"),
        ({"trade_register_number": "HRA", "trade_register": "Atlantis"}, "Handelsregisternummer"),
        ({"phone": "030 901820"}, "give an international number such as +49"),
        ({"email": "shop(at)example.com"}, "give an e-mail address"),
        ({"legal_name": "N" * 501}, "at most 500 printable characters"),
        ({"address": "a\u0007b"}, "at most 500 printable characters"),
        ({"government_id": "!!"}, "government_id: '…' (2 characters)"),
        ({"country": "Germany"}, "country: 'Germany' is not allowed; give an ISO 3166-1 alpha-2 code"),
        ({"country": ""}, "country: nothing is not allowed"),
        ({"seller_id": None}, "seller_id: nothing is not allowed"),
        ({"phone": 49309018200}, "phone: a int is not allowed; give a string"),
        ({"self_certified": "yesterday"}, "give a time with its zone"),
        ({"self_certified": "2026-01-01T12:00:00"}, "give a time with its zone"),
        ({"self_certified": "2999-01-01T12:00:00Z"}, "give a time that has come"),
        ({"verification": "passed"}, "verification: a str is not allowed; give an object"),
        ({"verification": {"method": "eID", "result": "maybe", "time": "2026-01-01T12:00:00Z"}}, "passed or failed"),
        ({"verification": {"method": "eID", "result": "passed"}}, "verification: time: nothing"),
        ({"sales": {"total": -1}}, "sales: total: -1 is not allowed; give a whole number"),
        ({"sales": {"total": True}}, "total: True is not allowed"),
        ({"sales": {"annual_usd": "7200"}}, "an amount of 0 or more in US dollars"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    """File, line, field and remedy are named; the personal value is not."""
    fault = refused(tmp_path, **changes)

    assert "sellers.jsonl:1: " in fault
    assert message in fault
    personal = [str(value) for name, value in changes.items() if name in PERSONAL and len(str(value)) > 6]
    assert not any(value in fault for value in personal)


@pytest.mark.parametrize("line", ["{", "[1]", '"s"', '{"seller_id": "secret@example.com'])
def test_line_that_is_no_object_is_refused_without_being_quoted(tmp_path: Path, line: str) -> None:
    """A broken line is named by its number, and the good ones are read."""
    found, faults = read(written(tmp_path, line, GERMAN))

    assert len(found) == 1
    assert "sellers.jsonl:1: " in faults[0]
    assert "secret" not in faults[0]


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A file that cannot be read is named."""
    with pytest.raises(SellerDataError, match=r"nowhere\.jsonl: the file cannot be read"):
        read(tmp_path / "nowhere.jsonl")


def test_personal_data_are_not_shown() -> None:
    """What Python shows of an identity, in a log or in a traceback, holds nothing personal."""
    shown = repr(an_identity(**{name: f"secret-{name}" for name in PERSONAL}))

    assert "secret" not in shown
    assert "seller_id='s'" in shown
    assert masked("DE136695976") == "'D…6' (11 characters)"
    assert masked("secret") == "'…' (6 characters)"


# --- what follows ----------------------------------------------------------------------------------------------------


def an_identity(**changes: Any) -> SellerIdentity:
    """Make an identity with everything that is required."""
    told: dict[str, Any] = {"seller_id": "s", "country": "DE", "self_certify_time": NOON} | dict.fromkeys(PERSONAL, "x")
    return SellerIdentity(**told | changes)


def test_complete_identity_is_pending_until_it_is_checked() -> None:
    """What is collected waits; a check that came with it decides at once."""
    assert renewed(None, an_identity(), NOON).state is VerificationState.PENDING
    assert renewed(None, an_identity(verification=PASSED), NOON).state is VerificationState.VERIFIED
    assert renewed(None, an_identity(verification=FAILED), NOON).state is VerificationState.FAILED


@pytest.mark.parametrize("gap", ["legal_name", "address", "phone", "email", "bank_account", "tax_id"])
def test_incomplete_identity_stays_unverified(gap: str) -> None:
    """With a gap the seller is UNVERIFIED, and a check that passed is refused with what is missing."""
    gappy = an_identity(**{gap: ""})

    assert renewed(None, gappy, NOON).state is VerificationState.UNVERIFIED
    assert gappy.missing == (gap,)
    with pytest.raises(SellerDataError, match=rf"'passed' cannot follow UNVERIFIED.*still missing: {gap}"):
        renewed(None, replace(gappy, verification=PASSED), NOON)


def test_one_proof_of_who_it_is_is_enough() -> None:
    """An identity document, a register entry or an LEI will do; none of them will not."""
    none = an_identity(government_id="", trade_register_number="", lei="")

    assert none.missing == ("government_id or trade_register_number or lei",)
    assert replace(none, lei="x").missing == ()
    assert replace(none, lei="x", self_certify_time=None).missing == ("self_certified",)


def test_telling_the_same_again_changes_nothing() -> None:
    """An import that is run twice leaves state and times as they were."""
    first = renewed(None, an_identity(verification=PASSED), NOON)

    assert renewed(first, first.identity, NOON + timedelta(days=3)) == first


def test_changed_data_are_checked_again() -> None:
    """A verified seller who moves is PENDING, with the time at which the new address came; a new check passes it."""
    first = renewed(None, an_identity(verification=PASSED), NOON)
    later = NOON + timedelta(days=3)

    moved = renewed(first, an_identity(address="y"), later)
    again = replace(moved.identity, verification=Verification("post", True, later))

    assert (moved.state, moved.collect_time) == (VerificationState.PENDING, later)
    assert renewed(moved, again, later).state is VerificationState.VERIFIED


def test_failure_stands_until_new_data_come() -> None:
    """After a failed check the same data cannot pass; other data are checked afresh."""
    failed = renewed(None, an_identity(verification=FAILED), NOON)
    second_try = Verification("post", True, NOON + timedelta(days=1))

    with pytest.raises(SellerDataError, match="'passed' cannot follow FAILED; what can is 'collected' or 'failed'"):
        renewed(failed, an_identity(verification=second_try), NOON)
    assert renewed(failed, an_identity(tax_id="y"), NOON).state is VerificationState.PENDING


def test_seller_who_does_not_certify_again_expires() -> None:
    """A year after the last word the verification is EXPIRED; certifying again, or a new check, makes it good."""
    first = renewed(None, an_identity(verification=PASSED), NOON)
    late = NOON + timedelta(days=366)

    certified = renewed(first, an_identity(verification=PASSED, self_certify_time=late), late)
    checked = renewed(first, an_identity(verification=Verification("eID", True, late)), late)

    assert first.state_at(late) is VerificationState.EXPIRED
    assert certified.state_at(late) is checked.state_at(late) is VerificationState.VERIFIED
    assert isinstance(certified, IdentityRecord)


# --- authorisations --------------------------------------------------------------------------------------------------


def authorisations(path: Path) -> tuple[list[AuthorisationRow], list[str]]:
    """Read all authorisations, and the messages about those that cannot be."""
    faults: list[str] = []
    return list(read_authorisations(path, on_error=lambda error: faults.append(str(error)))), faults


def test_regions_are_spelled_out(tmp_path: Path) -> None:
    """The EEA is its thirty countries; nothing named is everywhere."""
    rows, faults = authorisations(
        written(
            tmp_path,
            {"brand": "Nike", "seller_id": "a", "territories": ["EEA", "US"]},
            {"brand": "Nike", "seller_id": "b", "valid_until": "2027-01-01T00:00:00Z"},
        )
    )

    assert faults == []
    assert {entry.territory for entry in rows[0].sellers} == {*regions()["EEA"], "US"}
    (everywhere,) = rows[1].sellers
    assert (everywhere.territory, everywhere.valid_until) == ("", datetime(2027, 1, 1, tzinfo=UTC))
    assert (len(regions()["EU"]), len(regions()["EEA"])) == (27, 30)
    assert countries_of("FR") == ("FR",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"brand": ""}, "brand: nothing is not allowed"),
        ({"seller_id": 7}, "seller_id: a int is not allowed"),
        ({"territories": "DE"}, "territories: a str is not allowed; give a list"),
        ({"territories": ["de"]}, "territories: 'de' is not allowed; give an ISO 3166-1 alpha-2 code"),
        ({"territories": ["UK"]}, "the United Kingdom is GB"),
        ({"valid_from": "2027-01-01T00:00:00Z", "valid_until": "2026-01-01T00:00:00Z"}, "a time after valid_from"),
    ],
)
def test_authorisation_that_is_wrong_is_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    """A row at fault is named with what is allowed."""
    rows, faults = authorisations(written(tmp_path, {"brand": "Nike", "seller_id": "a"} | changes))

    assert rows == []
    assert message in faults[0]
