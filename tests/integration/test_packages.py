"""Evidence packages and statements out of a running service: whole, sealed, and only for those they are for."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from index.blobs import BlobShelf, BlobStore, digest_of
from serving.access.caller import ACTOR
from serving.packages.check import check_package
from tests.integration.case_support import TAKEDOWN, case_of, code_of, person, suspicious
from tests.integration.support import AURORA_SHOE, PATIENCE_S, Service, Touchstone, draw, listing
from tests.unit.test_package_signing import a_key
from touchstone.moderation.v1 import case_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb
from touchstone.moderation.v1 import statement_service_pb2 as sv
from touchstone.moderation.v1.statement_service_pb2_grpc import StatementServiceStub

Code = grpc.StatusCode
INVALID = Code.INVALID_ARGUMENT
BRAND_OWNER, COUNSEL, AUTHORITY = (
    pb.EVIDENCE_AUDIENCE_BRAND_OWNER,
    pb.EVIDENCE_AUDIENCE_PLATFORM_COUNSEL,
    pb.EVIDENCE_AUDIENCE_AUTHORITY,
)
NOTICE = case_pb2.Notice(
    urls=["https://shop.example/item/odd"],
    notifier_name="Nora Notifier",
    notifier_email="nora@rights.example",
    good_faith_statement=True,
    jurisdiction="EU",
)


def keep_files(blobs: BlobStore) -> None:
    """Keep the files of the photo and the reference that the cases here are about."""
    blobs.put(draw(AURORA_SHOE))


def a_case(service: Service) -> str:
    """Take a listing down that was reported, appealed against and upheld."""
    keep_files(service.application.blobs)
    decision = suspicious(service, "odd")
    case_id = case_of(service, decision)
    person(service, "carl").report("odd", reporter="buyer-77", text="call me at 0176 555", notice=NOTICE)
    outcome = case_pb2.Outcome()
    outcome.CopyFrom(TAKEDOWN)
    outcome.statement.ground_reference += ", as NORA NOTIFIER writes for Buyer-77"
    person(service, "ann").resolve(case_id, outcome)
    person(service, "ann").appeal(decision.decision_id)
    return case_id


def export(service: Service, case_id: str, *, who: str = "ann", roles: str = "", **more: Any) -> tuple[bytes, str]:
    """Read a package out in small pieces; return it with its id."""
    caller = person(service, who, roles)
    piece = caller.call("ExportEvidence", pb.ExportEvidenceRequest(case_id=case_id, max_bytes=50_000, **more))
    content, package_id = piece.content, piece.package_id
    while piece.next_offset_bytes:
        request = pb.ExportEvidenceRequest(
            case_id=case_id, package_id=package_id, offset_bytes=piece.next_offset_bytes, max_bytes=50_000
        )
        piece = caller.call("ExportEvidence", request)
        content += piece.content
    assert len(content) == piece.package_size_bytes
    return content, package_id


def files_of(content: bytes) -> dict[str, bytes]:
    """Unpack a package."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_package_is_whole_sealed_and_told_to_whom_it_is_for(own_service: Service, tmp_path: Path) -> None:
    """Counsel gets everything, a brand owner nothing personal; each is sound, and names the one before it."""
    case_id = a_case(own_service)

    full, full_id = export(own_service, case_id, audience=COUNSEL, disclosure_basis="litigation", recipient="Counsel")
    owners, _ = export(own_service, case_id, recipient="Aurora GmbH")
    second, _ = export(own_service, case_id)

    for number, content in enumerate((full, owners, second)):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(content)
        assert check_package(path).faults == ()
    of_counsel, of_owner, of_second = (json.loads(files_of(one)["package.json"]) for one in (full, owners, second))
    assert {name.split("/")[0] for name in files_of(full)} == {
        "SHA256SUMS", "chain.json", "images", "overlays", "package.json", "package.pdf", "statement.json",
    }  # fmt: skip
    assert of_counsel["reports"]["reporters"] == ["buyer-77"]
    assert of_counsel["seller"]["seller_id"] == "s1"
    assert of_second["previous_package_sha256"] == digest_of(owners)
    assert of_owner["previous_package_sha256"] == ""
    assert [one["recipient"] for one in of_second["disclosure"]["log"]] == ["", ""]
    assert full_id not in json.dumps(of_second)
    text = b"".join(content for name, content in files_of(owners).items() if name.endswith(".json")).decode()
    for private in ("buyer-77", "0176", "nora", "nora@", "it is genuine.", '"s1"', "litigation"):
        assert private not in text.lower()
    statement = json.loads(files_of(owners)["statement.json"])["statement"]
    assert statement["facts"] == TAKEDOWN.statement.facts
    kinds = [one["kind"] for one in json.loads(files_of(full)["chain.json"])["events"]]
    assert kinds == ["decision", "report", "resolution", "appeal"]


def test_a_package_is_taken_out_by_rule(own_service: Service) -> None:
    """Everything is for leads and auditors, an authority's package has its basis, and the rest is NOT_FOUND."""
    case_id = a_case(own_service)
    content, package_id = export(own_service, case_id)

    def refused(who: str = "ann", roles: str = "", **more: Any) -> Code:
        request = pb.ExportEvidenceRequest(**({"case_id": case_id} | more))
        return code_of(lambda: person(own_service, who, roles).call("ExportEvidence", request))

    assert refused(roles="moderator", audience=COUNSEL) is Code.PERMISSION_DENIED
    assert refused(who="") is Code.UNAUTHENTICATED
    assert refused(audience=AUTHORITY) is Code.INVALID_ARGUMENT
    assert refused(package_id=package_id, offset_bytes=len(content)) is Code.INVALID_ARGUMENT
    assert refused(offset_bytes=5) is Code.INVALID_ARGUMENT
    assert refused(max_bytes=2**26) is Code.INVALID_ARGUMENT
    assert refused(package_id="none") is Code.NOT_FOUND
    assert refused(case_id="none") is Code.NOT_FOUND
    assert export(own_service, case_id, roles="moderator")[0]
    assert export(own_service, case_id, roles="auditor", audience=AUTHORITY, disclosure_basis="order 7")[0]
    retained = own_service.application.store.get_package(package_id).retain_until
    own_service.application.store.let_packages_go(retained + timedelta(days=1))
    assert refused(package_id=package_id) is Code.NOT_FOUND


def test_a_package_is_read_once_however_many_pieces(own_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blob store gives the file once for all pieces, and once more for who reads it from the beginning again."""
    case_id = a_case(own_service)
    content, package_id = export(own_service, case_id)
    blobs = own_service.application.blobs
    read: list[str] = []
    get = type(blobs).get

    def noted(shelf: BlobShelf, sha256: str) -> bytes:
        read.append(sha256)
        return get(shelf, sha256)

    monkeypatch.setattr(type(blobs), "get", noted)

    again, _ = export(own_service, case_id, package_id=package_id)

    assert again == content
    assert len(content) > 2 * 50_000
    assert read == [digest_of(content)]
    export(own_service, case_id, package_id=package_id)
    assert read == [digest_of(content)] * 2


@pytest.mark.parametrize("through_server", [False, True], ids=["store", "server"])
def test_the_commands_export_verify_and_write_the_register(
    own_service: Service, touchstone: Touchstone, tmp_path: Path, *, through_server: bool
) -> None:
    """A package is exported and verified, a changed byte is found; the register's file and a statement are written."""
    case_id = a_case(own_service)
    decision_id = person(own_service).get(case_id).decision.decision_id
    server = ("--server", own_service.target) if through_server else ()
    evidence = ("--data-dir", own_service.application.settings.data_dir, "evidence", *server, "--as", "ann")
    path, register = tmp_path / "P.zip", tmp_path / "statements.json"

    exported = touchstone(*evidence, "export", case_id, "--out", path, "--recipient", "Aurora GmbH")
    verified = touchstone("evidence", "verify", path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "P")
    summed = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=tmp_path / "P", check=False)
    photo = tmp_path / "P" / "images" / "photo-00.png"
    photo.write_bytes(photo.read_bytes()[:-1] + b"x")
    changed = touchstone("evidence", "verify", tmp_path / "P")
    other = touchstone("evidence", "verify", path, "--sha256", "0" * 64)
    dsa = touchstone(*evidence, "dsa", "--from", "2020-01-01", "--to", "2100-01-01", "--out", register)
    told = touchstone(*evidence, "statement", decision_id, "--language", "zh")

    assert (exported.code, verified.code, summed.returncode, dsa.code, told.code) == (0, 0, 0, 0, 0), exported.stderr
    assert "sound" in verified.stdout
    assert (changed.code, other.code) == (1, 1)
    assert "images/photo-00.png: was changed" in changed.stdout
    assert not list(tmp_path.glob(".*.part"))
    (sent,) = json.loads(register.read_text())["statements"]
    assert (sent["source_type"], sent["territorial_scope"]) == ("SOURCE_ARTICLE_16", ["DE", "FR"])
    assert "理由" in told.stdout


def test_the_operators_key_signs_packages(
    own_service: Service, touchstone: Touchstone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `evidence_key` a package names its signer and verifies by the public key; stripped of it, it does not."""
    case_id = a_case(own_service)
    _, public = a_key(tmp_path, "ours")
    monkeypatch.setenv("TOUCHSTONE_EVIDENCE_KEY", str(tmp_path / "ours.pem"))
    evidence = ("--data-dir", own_service.application.settings.data_dir, "evidence", "--as", "ann")
    path = tmp_path / "P.zip"

    exported = touchstone(*evidence, "export", case_id, "--out", path)
    signed = touchstone("evidence", "verify", path, "--key", public)
    unchecked = touchstone("evidence", "verify", path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "P")
    (tmp_path / "P" / "SHA256SUMS.sig").unlink()
    stripped = touchstone("evidence", "verify", tmp_path / "P")

    assert (exported.code, signed.code, unchecked.code, stripped.code) == (0, 0, 0, 1), exported.stderr
    assert "(checked)" in signed.stdout
    assert "--key" in unchecked.stdout
    assert "SHA256SUMS.sig: is missing" in stripped.stdout


def test_statements_and_the_clock_over_the_wire(own_service: Service) -> None:
    """What the seller is told, which times run, and a step that is recorded once; what is not there is not found."""
    case_id = a_case(own_service)
    stub = StatementServiceStub(own_service.channel)

    def record(**given: Any) -> sv.LegalStep:
        given = {"case_id": case_id, "request_id": "1"} | given
        request = sv.RecordLegalStepRequest(**given)
        return stub.RecordLegalStep(request, timeout=PATIENCE_S, metadata=((ACTOR, "ann"),)).step

    statement = stub.GetStatement(sv.GetStatementRequest(case_id=case_id), timeout=PATIENCE_S).statement
    times = dict.fromkeys(("first", "again"))
    for name in times:
        times[name] = record(kind=sv.LEGAL_STEP_KIND_COUNTER_FORWARDED, time=statement.effective_time)
    clock = stub.GetLegalClock(sv.GetLegalClockRequest(case_id=case_id), timeout=PATIENCE_S)

    assert statement.source == sv.STATEMENT_SOURCE_NOTICE
    assert statement.reasons.facts == TAKEDOWN.statement.facts
    assert "The seams and the label differ" in statement.text
    assert times["first"] == times["again"] == clock.steps[0]
    terms = {one.term for one in clock.deadlines}
    assert {sv.LEGAL_TERM_STATEMENT, sv.LEGAL_TERM_COMPLAINT_WINDOW, sv.LEGAL_TERM_APPEAL_DUE} <= terms
    assert person(own_service).get(case_id).appeals[0].state == case_pb2.APPEAL_STATE_FORWARDED
    innocent = own_service.screen(listing(listing_id="fine")).decision.decision_id
    for request in (sv.GetStatementRequest(decision_id=innocent), sv.GetStatementRequest(case_id="none")):
        assert code_of(lambda request=request: stub.GetStatement(request)) is Code.NOT_FOUND
    assert code_of(lambda: stub.GetStatement(sv.GetStatementRequest(case_id=case_id, language="fr"))) is INVALID
    assert code_of(lambda: record(kind=sv.LEGAL_STEP_KIND_COMPLAINT_FILED, time=statement.effective_time)) is INVALID
    assert code_of(lambda: stub.ExportStatements(sv.ExportStatementsRequest())) is INVALID
    token = sv.ExportStatementsRequest(
        start_time=statement.effective_time, end_time=statement.complaint_end_time, page_token="x"
    )
    assert code_of(lambda: stub.ExportStatements(token)) is INVALID
