"""Packages without a service: chain, checksums, what an audience is told, and in which letters the PDF is written."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from index.decision_records import DecisionRecord
from index.evidence_records import Audience, ListingHistory
from index.identity import SalesVolume, SellerIdentity
from index.reports import Report, ReporterType
from index.rulings import Ground, Statement
from serving.disclosure import Disclosure, disclosure
from serving.errors import PackageError, SettingsError
from serving.legal.statements import SellerStatement, Source
from serving.legal.text import as_html, as_text
from serving.packages.chain import chain, events_of
from serving.packages.check import check_package
from serving.packages.fonts import Letters
from serving.packages.parts import Listing, Photo, Price, Seller, Wording
from serving.packages.pdf import pdf_of
from serving.packages.redaction import finished
from serving.packages.schema import (
    SCHEMA_VERSION,
    Customs,
    DecisionTold,
    DisclosureTold,
    Document,
    Purchase,
    Reason,
    Reports,
)
from serving.packages.zip import zip_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = bytes(32)
NOTHING = Disclosure(everything=False)
EVERYTHING = Disclosure(everything=True)
HISTORY = ListingHistory(
    decisions=(
        DecisionRecord(
            decision_id="d",
            listing_id="l",
            verdict="TAKEDOWN",
            create_time=NOON,
            payload=b"recorded",
            request_sha256="",
            seller_id="seller-9",
        ),
    ),
    resolutions=(),
    reports=(
        Report(
            report_id="r",
            listing_id="l",
            reporter_id="buyer-7",
            reporter_type=ReporterType.BUYER,
            reason_code="COUNTERFEIT",
            text="fell apart",
            create_time=NOON - timedelta(hours=1),
        ),
    ),
    appeals=(),
    steps=(),
)
IDENTITY = SellerIdentity(
    seller_id="seller-9",
    country="CN",
    legal_name="Li Wei",
    address="1 Market Road",
    phone="+86 1",
    email="li@shop.example",
    bank_account="DE00",
    sales=SalesVolume(annual=300, annual_usd=Decimal(25_000)),
)
SMALL = replace(IDENTITY, sales=SalesVolume(annual=300, annual_usd=Decimal(19_999)))
STATEMENT = SellerStatement(
    decision_id="d",
    resolution_id="",
    listing_id="l<1>",
    market="DE",
    reason_code="COUNTERFEIT",
    reasons=Statement(
        ground=Ground.ILLEGAL_CONTENT,
        ground_reference="Regulation (EU) 2017/1001, Article 9",
        explanation="<b>Because</b>",
        facts="The seams differ.",
        automated_detection=True,
        automated_decision=True,
        right_id="EM500000000000001",
    ),
    effective_time=NOON,
    source=Source.OWN_INITIATIVE,
    jurisdiction="",
    confirmed=False,
    complaint_end_time=NOON + timedelta(days=184),
    policy_version="default@1",
    findings=(),
    language="en",
)


def a_document(told: Disclosure = NOTHING, *, head: str = "0" * 64, length: int = 0) -> Document:
    """Make a document about a seller whose number stands in the wording."""
    return finished(
        Document(
            schema_version=SCHEMA_VERSION,
            package_id="p",
            case_id="c",
            created_at="2026-03-01T12:00:00.000000Z",
            previous_package_sha256="",
            chain_head=head,
            chain_length=length,
            listing=Listing(listing_id="l", title="正品 包", photos=(Photo(index=0, sha256="ab" * 32),)),
            matches=(),
            copies=(),
            wording=(Wording(kind="OFF_PLATFORM_CONTACT", field_name="title", matched="WeChat li-wei"),),
            price=Price(cell="brand", ratio=0.2),
            seller=Seller(seller_id="seller-9", legal_name="Li Wei", email="li@shop.example"),
            reports=Reports(counts={"BUYER": 1}, reporters=("buyer-7",)),
            decision=DecisionTold(
                decision_id="d",
                verdict="TAKEDOWN",
                machine_verdict="TAKEDOWN",
                decide_time="2026-03-01T12:00:00.000000Z",
                policy_version="default@1",
                embedding_model="fake",
                index_version="1",
                probability=0.9,
                uncalibrated_probability=0.9,
                reasons=(Reason(code="OFF_PLATFORM_CONTACT", weight=1.0, text="WeChat li-wei"),),
            ),
            rights=(),
            test_purchase=Purchase(),
            customs=Customs(),
            disclosure=DisclosureTold(
                audience="BRAND_OWNER", recipient="", basis="", redaction=told.level, retain_until="2029", log=()
            ),
        ),
        told,
    )


def a_package(*, disclose: bool = False) -> dict[str, bytes]:
    """Make the files of a package."""
    links = chain(events_of(HISTORY), SECRET, disclose=disclose)
    document = a_document(head=links["head"], length=len(links["events"]))
    return {
        "package.json": json.dumps(document.model_dump(mode="json")).encode(),
        "chain.json": json.dumps(links).encode(),
        "statement.json": b"{}",
        "package.pdf": b"%PDF",
        "images/photo-00.jpg": b"picture",
    }


def faults_of(folder: Path, files: dict[str, bytes]) -> tuple[str, ...]:
    """Check files as a zip."""
    path = folder / "P.zip"
    path.write_bytes(zip_of(files))
    return check_package(path).faults


def test_the_same_content_is_the_same_file() -> None:
    """Whatever the order in which files come, the zip has the same bytes, sorted names and no time of its own."""
    files = a_package()

    first, second = zip_of(files), zip_of(dict(reversed(files.items())))

    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


@pytest.mark.parametrize("disclose", [False, True])
def test_a_package_as_it_was_made_is_sound(tmp_path: Path, *, disclose: bool) -> None:
    """Checksums, schema and chain hold, of the zip and of the folder it is unpacked to."""
    path, files = tmp_path / "P.zip", a_package(disclose=disclose)
    path.write_bytes(zip_of(files))
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")

    zipped, unpacked = check_package(path), check_package(tmp_path / "folder")

    assert zipped.faults == unpacked.faults == ()
    assert (zipped.package_id, zipped.files, zipped.events) == ("p", 6, 2)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda folder: (folder / "images/photo-00.jpg").write_bytes(b"pictures"), "images/photo-00.jpg: was changed"),
        (lambda folder: (folder / "package.pdf").unlink(), "package.pdf: is missing"),
        (lambda folder: (folder / "more.txt").write_text("x"), "more.txt: was added"),
    ],
    ids=["changed", "missing", "added"],
)
def test_a_changed_file_is_found(tmp_path: Path, change: Callable[[Path], object], fault: str) -> None:
    """Whatever was done to a file of an unpacked package, the check names the file and what was done."""
    with zipfile.ZipFile(io.BytesIO(zip_of(a_package()))) as archive:
        archive.extractall(tmp_path)

    change(tmp_path)

    assert check_package(tmp_path).faults == (fault,)


def test_a_chain_that_was_written_anew_is_found(tmp_path: Path) -> None:
    """New checksums do not hide a changed event, one that was left out, a made-up value or a gap that is not named."""
    files = a_package(disclose=True)
    links = json.loads(files["chain.json"])

    def with_chain(**changed: object) -> dict[str, bytes]:
        return files | {"chain.json": json.dumps(links | changed).encode()}

    changed = [links["events"][0] | {"kind": "resolution"}, *links["events"][1:]]
    value = [links["disclosed"][0] | {"value": "somebody"}, *links["disclosed"][1:]]
    document = json.loads(files["package.json"])

    assert any("event 1" in fault for fault in faults_of(tmp_path, with_chain(events=changed)))
    assert any("does not follow" in fault for fault in faults_of(tmp_path, with_chain(events=links["events"][1:])))
    assert any("committed" in fault for fault in faults_of(tmp_path, with_chain(disclosed=value)))
    assert any("head" in fault for fault in faults_of(tmp_path, with_chain(head="1" * 64)))
    silent = document | {"not_held": [], "extra": None}
    assert any("extra" in one for one in faults_of(tmp_path, files | {"package.json": json.dumps(silent).encode()}))
    del silent["extra"]
    assert any("signer" in one for one in faults_of(tmp_path, files | {"package.json": json.dumps(silent).encode()}))


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    """A folder of something else, bytes that are no zip and a zip that was cut short are refused."""
    (tmp_path / "bytes").write_bytes(b"PK nonsense")
    (tmp_path / "short.zip").write_bytes(zip_of(a_package())[:-200])

    for path in (tmp_path, tmp_path / "bytes", tmp_path / "short.zip"):
        with pytest.raises(PackageError):
            check_package(path)


def test_the_chain_is_the_same_for_everybody() -> None:
    """Who is told everything sees the chain that others see, with values that fit it; others learn no such value."""
    told, untold = (chain(events_of(HISTORY), SECRET, disclose=disclose) for disclose in (True, False))

    assert told["events"] == untold["events"]
    assert {one["value"] for one in told["disclosed"]} == {"seller-9", "buyer-7", "fell apart"}
    for private in ("seller-9", "buyer-7", "fell apart"):
        assert private not in json.dumps(untold)


def test_a_brand_owner_is_told_nothing_personal() -> None:
    """Seller, reporters and their words are gone, what is gone is named, and what is not held is named as that."""
    document = a_document(NOTHING)

    said = document.model_dump_json()
    for private in ("seller-9", "Li Wei", "li@", "buyer-7", "WeChat", "正品"):
        assert private not in said
    assert {"seller.seller_id", "seller.legal_name", "reports.reporters", "wording[].matched"} <= set(document.withheld)
    assert {"signer", "seller.address", "customs.holder_eori", "listing.photos[].file"} <= set(document.not_held)
    assert not set(document.withheld) & set(document.not_held)
    assert "Li Wei" in a_document(EVERYTHING).model_dump_json()
    assert a_document(EVERYTHING).withheld == ()


@pytest.mark.parametrize(
    ("basis", "seller", "fields"),
    [
        ("", IDENTITY, set()),
        ("we would like to know", IDENTITY, set()),
        ("DSA 30(7), request of 1 March", SMALL, {"legal_name", "address", "email", "phone"}),
        ("INFORM", IDENTITY, {"legal_name", "address", "email", "phone"}),
        ("INFORM", SMALL, set()),
        ("INFORM", None, set()),
        ("PRC Civil Code 1196", None, {"legal_name"}),
    ],
)
def test_a_law_discloses_what_it_makes_known(basis: str, seller: SellerIdentity | None, fields: set[str]) -> None:
    """A brand owner learns of a seller what the law that is named makes known, and never an account or a tax number."""
    told = disclosure(Audience.BRAND_OWNER, basis, seller)

    assert not told.everything
    assert fields <= told.seller_fields
    assert bool(fields) == bool(told.seller_fields)
    assert not told.seller_fields & {"bank_account", "government_id", "tax_id", "seller_id"}
    assert disclosure(Audience.AUTHORITY, basis, seller).everything


def test_letters_that_a_font_lacks_are_shown_as_code_points(tmp_path: Path) -> None:
    """Latin stays, Chinese is in a Chinese font, and what neither has is visible instead of left out."""
    letters = Letters()

    assert letters.markup("Größe <b> & 5 €") == "Größe &lt;b&gt; &amp; 5 €"
    assert letters.markup("LV 正品包") == 'LV <font name="STSong-Light">正品包</font>'
    assert letters.markup("한🔥\u202e") == "[U+D55C][U+1F525][U+202E]"
    (tmp_path / "font.ttf").write_bytes(b"no font")
    with pytest.raises(SettingsError, match="evidence_font"):
        Letters(tmp_path / "font.ttf")


def test_the_pdf_says_what_the_document_does() -> None:
    """The same document makes the same bytes; with a photo that is none, and Chinese words, it is a PDF still."""
    document, files = a_document(EVERYTHING), {"images/photo-00.jpg": b"no picture"}

    first, again = (pdf_of(document, "正品\nTold.", files) for _ in range(2))

    assert first == again
    assert first.startswith(b"%PDF")
    assert b"STSong-Light" in first


def test_a_statement_tells_every_point_of_the_law() -> None:
    """In English and in Chinese: restriction, facts, source, automated means, ground and redress, with their dates."""
    english = as_text(STATEMENT, answer_days=15)
    chinese = as_text(replace(STATEMENT, language="zh"), answer_days=15)

    for words in ("not shown on any market", "2026-03-01 12:00 UTC", "no end date", "The seams differ.",
                  "own initiative", "by automated means, without a person", "Article 9", "2026-09-01", "Article 21",
                  "court", "EM500000000000001"):  # fmt: skip
        assert words in english
    for words in ("所有市场", "自动化手段作出，未经人工处理", "第20条", "第21条", "法院", "2026-09-01"):
        assert words in chinese
    of_china = as_text(replace(STATEMENT, market="CN", language="zh"), answer_days=20)
    assert "第四十三条" in of_china
    assert "20 日内" in of_china


def test_a_statement_as_a_page_runs_nothing() -> None:
    """What people wrote is escaped, the language is named, and the page may load nothing."""
    page = as_html(replace(STATEMENT, language="zh"), answer_days=15)

    assert '<html lang="zh-Hans">' in page
    assert "&lt;b&gt;Because&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
