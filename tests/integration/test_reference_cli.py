"""References from the command line: here and through a server alike, faults named, whole banks at a time."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from serving.app import open_application
from serving.reference_client import ReferenceClient, ReferenceFile
from tests.integration.reference_support import WHEEL, Judge, header, judged_by, sha256, small_picture
from tests.integration.support import Service, Start, Touchstone, draw, fill, settings_at
from touchstone.moderation.v1 import brand_service_pb2 as pb

pytestmark = pytest.mark.usefixtures("acts_are_entered")

_SEEDS = itertools.count(1_000)


@pytest.fixture(scope="module")
def service(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve for this suite alone, which fills the registry."""
    with open_application(settings_at(tmp_path_factory.mktemp("commands"))) as application:
        fill(application)
        with start(judged_by(application, Judge())) as running:
            yield running


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """List two pictures of Aurora that are new each time, one that is missing and one that is none."""
    (tmp_path / "logo.png").write_bytes(draw(next(_SEEDS)))
    (tmp_path / "fake.jpg").write_bytes(draw(next(_SEEDS), kind="JPEG"))
    (tmp_path / "noise.png").write_bytes(b"noise")
    rows = [
        {"brand": "Aurora", "kind": "logo", "image": "logo.png", "box": [0.1, 0.1, 0.9, 0.9]},
        {"brand": "aurora", "kind": "counterfeit", "image": "fake.jpg"},
        {"brand": "Aurora", "kind": "logo", "image": "missing.png"},
        {"brand": "Aurora", "kind": "logo", "image": "noise.png"},
    ]
    path = tmp_path / "refs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture(params=["here", "server"])
def brands(request: pytest.FixtureRequest, service: Service, touchstone: Touchstone, tmp_path: Path) -> Any:
    """Run `touchstone brands` with JSON output, on a store of its own or on the shared server."""
    if request.param == "server":
        return lambda command, *words: touchstone(
            "--json", "brands", command, *words, "--server", service.target, "--as", "mara"
        )
    data = tmp_path / "data"
    with open_application(settings_at(data)) as application:
        fill(application)
    return lambda command, *words: touchstone("--data-dir", data, "--json", "brands", command, *words, "--as", "mara")


def test_a_manifest_is_uploaded_into_a_bank_and_the_bank_retired(brands: Any, manifest: Path) -> None:
    """Rows that fail are named and make exit code 3; the others are listed, and retired as a whole."""
    words = ("--bank", "seizure-7", "--source", "notice", "--source-id", "n7", "--hold")

    sent = brands("upload", manifest, *words)
    listed = brands("references", "aurora", "--bank", "seizure-7")
    retired = brands("retire-bank", "aurora", "seizure-7", "--reason", "released")
    left = brands("references", "aurora", "--bank", "seizure-7", "--state", "pending", "--state", "active")

    assert sent.code == 3
    assert json.loads(sent.stdout)["faults"] == 2
    assert "refs.jsonl:3" in sent.stderr
    assert "refs.jsonl:4" in sent.stderr
    taken = json.loads(sent.stdout)["references"]
    assert {(one["kind"], one["state"]) for one in taken} == {
        ("REFERENCE_KIND_LOGO", "REFERENCE_STATE_PENDING"), ("REFERENCE_KIND_COUNTERFEIT", "REFERENCE_STATE_PENDING"),
    }  # fmt: skip
    assert taken[0]["provenance"] == {
        "source": "REFERENCE_SOURCE_NOTICE", "source_id": "n7", "uploaded_by": "mara", "file_name": "logo.png",
        "licence": "", "note": "",
    }  # fmt: skip
    ids = {one["reference_id"] for one in taken}
    assert {one["reference_id"] for one in json.loads(listed.stdout)} == ids
    assert set(json.loads(retired.stdout)["retired"]) == ids
    assert json.loads(left.stdout) == []


def test_references_are_reviewed_and_retired_one_by_one(brands: Any, manifest: Path) -> None:
    """The answer is the reference as it is then; what is not allowed fails with exit code 1 and says why."""
    taken = json.loads(brands("upload", manifest, "--brand", "aurora", "--hold", "--bank", "single").stdout)
    logo, fake = (one["reference_id"] for one in taken["references"])

    rejected = brands("review", logo, "--reject", "--reason", "not theirs")
    retired = brands("retire", fake)
    again = brands("review", fake, "--activate", "--reason", "back")
    nothing = brands("review", logo)

    assert json.loads(rejected.stdout)["reference"]["state_reason"] == "not theirs"
    assert json.loads(retired.stdout)["reference"]["state"] == "REFERENCE_STATE_RETIRED"
    assert again.code == 1
    assert "retired and cannot become active" in again.stderr
    assert nothing.code == 2


def test_a_brand_that_is_not_there_is_named(brands: Any, tmp_path: Path) -> None:
    """A manifest's brand must be one of the registry; uploading makes none."""
    (tmp_path / "logo.png").write_bytes(draw(83))
    manifest = tmp_path / "unknown.jsonl"
    manifest.write_text(json.dumps({"brand": "Nobody & Sons", "kind": "logo", "image": "logo.png"}))

    sent = brands("upload", manifest)

    assert sent.code == 3
    assert "no brand with the id 'nobody-sons'" in sent.stderr


def test_text_is_for_people(service: Service, touchstone: Touchstone, manifest: Path) -> None:
    """Without --json each reference is a line, with what its owner is told."""
    there = ("--server", service.target)

    sent = touchstone("brands", "upload", manifest, "--bank", "text", *there)
    shown = touchstone("brands", "references", "aurora", "--bank", "text", *there)
    gone = touchstone("brands", "retire-bank", "aurora", "text", "--reason", "over", *there)

    assert sent.stdout.count("QUARANTINED") == shown.stdout.count("QUARANTINED") == 2
    assert "too broad" in sent.stdout
    assert "2 references of text retired" in gone.stdout


def test_imported_files_are_kept(touchstone: Touchstone, manifest: Path, tmp_path: Path) -> None:
    """`brands import` and `brands seed` keep the file of each reference that they bring in."""
    data = tmp_path / "imported"

    touchstone("--data-dir", data, "brands", "import", manifest)
    touchstone("--data-dir", data, "brands", "seed", "--only", "nike")

    with open_application(settings_at(data)) as application:
        blobs = application.registry.references.uploads.blobs
        references = [one for one, _ in application.store.iter_references("any")]
        kept = {reference.image_sha256: blobs.get(reference.image_sha256) for reference in references}
    logo = (manifest.parent / "logo.png").read_bytes()
    assert kept[sha256(logo)] == logo
    assert len(references) >= 3
    assert any(b"<svg" in content for content in kept.values())


# --- the Python client -----------------------------------------------------------------------------------------------


def test_the_client_sends_batches_and_resends_them_as_the_same(service: Service, tmp_path: Path) -> None:
    """More files than a stream may hold come in several; sent again in full they are the same references."""
    picture = tmp_path / "mark.png"
    picture.write_bytes(small_picture(84))
    head = header(bank_id="client")

    with grpc.insecure_channel(service.target) as channel:
        client = ReferenceClient(channel, metadata=[("touchstone-actor", "anna")])
        first = list(client.upload(ReferenceFile(head, picture) for _ in range(1_003)))
        again = list(client.upload([ReferenceFile(head, picture)]))
        with pytest.raises(FileNotFoundError):
            list(client.upload([ReferenceFile(head, tmp_path / "missing.png")]))
        listed = list(client.references("aurora", bank_id="client"))

    assert len(first) == 1_003
    assert {sent.result.reference.reference_id for sent in (*first, *again)} == {listed[0].reference_id}
    assert len({sent.result.request_id for sent in (*first, *again)}) == 1
    assert (listed[0].provenance.file_name, listed[0].provenance.uploaded_by) == ("mark.png", "anna")


def test_the_client_waits_for_a_server_that_is_not_there_yet(service: Service, tmp_path: Path) -> None:
    """It tries five times with growing pauses, then says what is wrong."""
    pauses: list[float] = []
    picture = tmp_path / "mark.png"
    picture.write_bytes(small_picture(85))

    with grpc.insecure_channel("127.0.0.1:1") as channel:
        client = ReferenceClient(channel, pause=pauses.append)
        with pytest.raises(grpc.RpcError) as gone:
            list(client.upload([ReferenceFile(pb.UploadReferenceHeader(brand_id="aurora"), picture)]))

    assert gone.value.code() is grpc.StatusCode.UNAVAILABLE
    assert pauses == sorted(pauses)
    assert len(pauses) == 4


def test_the_example_of_the_page_runs(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/references.md's Python uploads a drawing, and prints its id and the state of the index."""
    page = (Path(__file__).parents[2] / "docs" / "references.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "mark.svg").write_bytes(WHEEL)
    monkeypatch.chdir(tmp_path)

    exec(example.replace("127.0.0.1:50051", service.target), {})

    name, reference_id, _ = capsys.readouterr().out.split()
    assert name == "mark.svg"
    assert service.application.store.get_reference(reference_id).provenance.file_name == "mark.svg"
