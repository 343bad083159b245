"""Does the command line keep its promises? Exit codes, one JSON document on stdout, the same answers as the service.

Commands run in this process, through the entry point that the console script calls.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from index.columns import ReferenceSource
from index.records import Brand
from index.store.store import Store
from index.verifying import Verification, verify_snapshot
from tests.conftest import EVAL_DATA
from tests.integration.support import AURORA_SHOE, Service, Touchstone, draw

# What differs between two screenings of the same listing.
_OF_ITS_OWN = ("decision_id", "create_time", "timings")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Name a data folder that is not there yet."""
    return tmp_path / "data"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Draw a photo into a file."""
    return _written(tmp_path / "shoe.png", draw(AURORA_SHOE))


def photos(tmp_path: Path) -> list[Path]:
    """Give real photos where the development data is, drawn ones otherwise."""
    real = sorted((EVAL_DATA / "flickrlogos27" / "images").glob("*.jpg"))[:2]
    return real or [_written(tmp_path / f"{seed}.jpg", draw(seed, kind="JPEG")) for seed in (1, 2)]


def test_screening_here_and_through_a_server_is_the_same(
    real_service: Service, touchstone: Touchstone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The two documents differ in ids, times and timings only, after rounding to four decimals."""
    monkeypatch.setenv("TOUCHSTONE_EMBEDDER", "torch")
    data = real_service.application.settings.data_dir
    words = ("--price", "50", "--currency", "USD", "--title", "Nike Air 1:1", "--brand", "Nike", "--category", "shoes")
    images = photos(tmp_path)

    here = touchstone("--data-dir", data, "screen", *images, *words)
    there = touchstone("--data-dir", data, "screen", *images, *words, "--server", real_service.target)

    assert (here.code, there.code) == (0, 0), here.stderr + there.stderr
    assert _comparable(here.stdout) == _comparable(there.stdout)
    assert json.loads(here.stdout)["model_fingerprint"].startswith("touchstone-s@")


def test_a_decision_is_one_json_document(data: Path, photo: Path, touchstone: Touchstone) -> None:
    """`--json screen` prints the decision and nothing else: proto names, defaults, verdicts without prefix."""
    shown = touchstone("--data-dir", data, "--json", "screen", photo, "--price", "49.90", "--currency", "EUR")

    decision = json.loads(shown.stdout)
    assert shown.code == 0
    assert decision["verdict"] == "ALLOW"
    assert decision["listing_id"] == "shoe"
    assert decision["counterfeit_probability"] >= 0.0
    assert decision["image_results"][0]["status"] == "OK"
    assert decision["evidence"] == []


def test_an_unreadable_photo_is_a_review_and_no_failure(data: Path, tmp_path: Path, touchstone: Touchstone) -> None:
    """A file that is no image is screened like any other: exit code 0, verdict REVIEW."""
    noise = _written(tmp_path / "noise.jpg", b"not a photo")

    shown = touchstone("--data-dir", data, "screen", noise)

    assert shown.code == 0
    assert json.loads(shown.stdout)["verdict"] == "REVIEW"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--price", "50"), "--currency"),
        (("--price", "fifty", "--currency", "USD"), "fifty"),
        (("--price", "50", "--currency", "XXX1"), "XXX1"),
        (("--price=-5", "--currency", "USD"), "-5"),
        (("--price", "NaN", "--currency", "USD"), "NaN"),
        (("--market", "Germany"), "listing.market"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_bad_input_is_exit_code_two(
    data: Path, photo: Path, touchstone: Touchstone, options: tuple[str, ...], named: str
) -> None:
    """What the caller must mend is named on stderr, with exit code 2 and an empty stdout."""
    refused = touchstone("--data-dir", data, "screen", photo, *options)

    assert refused.code == 2, refused.stderr
    assert named in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize(
    "command",
    [
        ("screen", "no-such-photo.jpg"),
        ("brands", "import", "no-such.jsonl"),
        ("prices", "import", "no-such.jsonl"),
        ("--config", "no-such.yaml", "doctor"),
        ("serve", "--config", "no-such.yaml"),
        ("no-such-command",),
        ("screen",),
    ],
)
def test_what_is_not_there_is_exit_code_two(data: Path, touchstone: Touchstone, command: tuple[str, ...]) -> None:
    """A file, command or argument that is not there is bad usage, and is named."""
    refused = touchstone("--data-dir", data, *command)

    assert refused.code == 2, refused.stderr
    assert any(word in refused.stderr for word in (*command, "IMAGES"))
    assert refused.stdout == ""


def test_a_server_out_of_reach_is_exit_code_one(data: Path, photo: Path, touchstone: Touchstone) -> None:
    """Nobody answers: the address and the code are named, and no verdict is printed."""
    failed = touchstone("--data-dir", data, "screen", photo, "--server", "127.0.0.1:1")

    assert failed.code == 1
    assert "127.0.0.1:1" in failed.stderr
    assert "UNAVAILABLE" in failed.stderr
    assert failed.stdout == ""


def test_a_listing_that_the_server_refuses_is_exit_code_two(
    service: Service, photo: Path, touchstone: Touchstone
) -> None:
    """A refusal by the service ends like one in process."""
    refused = touchstone("screen", photo, "--market", "Germany", "--server", service.target)

    assert refused.code == 2
    assert "listing.market" in refused.stderr


def test_help_costs_no_import_and_no_error(touchstone: Touchstone) -> None:
    """`--help` lists the commands and ends with 0."""
    shown = touchstone("--help")

    assert shown.code == 0
    assert all(name in shown.stdout for name in ("serve", "screen", "brands", "prices", "eval", "doctor"))


def test_seeding_is_repeatable(data: Path, touchstone: Touchstone) -> None:
    """`brands seed --only` brings in those brands; again it adds nothing; `brands list` shows them."""
    first = touchstone("--data-dir", data, "--json", "brands", "seed", "--only", "nike,adidas")
    again = touchstone("--data-dir", data, "--json", "brands", "seed", "--only", "nike,adidas")
    shown = touchstone("--data-dir", data, "--json", "brands", "list")
    table = touchstone("--data-dir", data, "brands", "list")
    unknown = touchstone("--data-dir", data, "brands", "seed", "--only", "nikee")

    assert (first.code, again.code, shown.code, table.code) == (0, 0, 0, 0)
    assert json.loads(first.stdout)["added"] >= 2
    assert json.loads(again.stdout)["added"] == 0
    assert {brand["brand_id"] for brand in json.loads(shown.stdout)} == {"nike", "adidas"}
    assert "Nike" in table.stdout
    assert unknown.code == 2
    assert "nikee" in unknown.stderr


def test_faulty_references_do_not_keep_the_others_out(data: Path, tmp_path: Path, touchstone: Touchstone) -> None:
    """Rows without a usable image or of an unknown kind are named; the rest goes in; the exit code is 3."""
    _written(tmp_path / "good.png", draw(AURORA_SHOE))
    _written(tmp_path / "noise.png", b"not an image")
    rows = [
        {"brand": "Aurora", "kind": "product", "image": "good.png"},
        {"brand": "Aurora", "kind": "product", "image": "noise.png"},
        {"brand": "Aurora", "kind": "product", "image": "missing.png"},
        {"brand": "Aurora", "kind": "sculpture", "image": "good.png"},
        {"brand": "Borealis", "kind": "logo", "image": "good.png", "box": [0.1, 0.1, 0.6, 0.6]},
    ]
    manifest = _written(tmp_path / "refs.jsonl", "\n".join(map(json.dumps, rows)).encode() + b"\n{broken\n")

    imported = touchstone("--data-dir", data, "--json", "brands", "import", manifest)

    assert imported.code == 3
    assert json.loads(imported.stdout) == {"added": 2, "brands": 2, "references": 2, "faults": 4}
    assert all(f"refs.jsonl:{line}" in imported.stderr for line in (2, 3, 4, 6))


def test_faulty_prices_do_not_keep_the_others_out(data: Path, tmp_path: Path, touchstone: Touchstone) -> None:
    """Prices without a brand or in no currency are named, the rest goes in, exit code 3; a sound file gives 0."""
    good = {"listing_id": "p1", "claimed_brand": "Aurora", "price": {"amount": 90, "currency": "USD"}}
    rows = [good, good | {"listing_id": "p2", "claimed_brand": ""}, good | {"listing_id": "p3", "price": None}]
    faulty = _written(tmp_path / "faulty.jsonl", "\n".join(map(json.dumps, rows)).encode())
    sound = _written(tmp_path / "sound.jsonl", json.dumps(good | {"listing_id": "p4"}).encode())

    some = touchstone("--data-dir", data, "--json", "prices", "import", faulty)
    all_ = touchstone("--data-dir", data, "--json", "prices", "import", sound)

    assert some.code == 3
    assert json.loads(some.stdout) == {"added": 1, "price_observations": 1, "faults": 2}
    assert all_.code == 0
    assert json.loads(all_.stdout)["price_observations"] == 2


def test_the_doctor_finds_an_empty_registry_and_then_nothing(data: Path, touchstone: Touchstone) -> None:
    """Without references something is to be done, said with its command; after that everything is well."""
    free = ("--listen", "127.0.0.1:0")  # whatever else this machine serves
    ill = touchstone("--data-dir", data, "--json", "doctor", *free)
    touchstone("--data-dir", data, "brands", "seed", "--only", "nike")
    well = touchstone("--data-dir", data, "--json", "doctor", *free)
    read = touchstone("--data-dir", data, "doctor", *free)

    findings = {finding["check"]: finding for finding in json.loads(ill.stdout)}
    assert ill.code == 1
    assert [name for name, finding in findings.items() if not finding["ok"]] == ["references"]
    assert "brands seed" in findings["references"]["detail"]
    assert (well.code, read.code) == (0, 0), well.stdout
    assert "inference" in read.stdout


def test_the_doctor_asks_a_running_server(service: Service, touchstone: Touchstone) -> None:
    """`doctor --server` is 0 where one serves and 1 where none listens."""
    well = touchstone("doctor", "--server", service.target)
    away = touchstone("--json", "doctor", "--server", "127.0.0.1:1")

    assert well.code == 0
    assert "SERVING" in well.stdout
    assert away.code == 1
    assert json.loads(away.stdout)[0]["ok"] is False


def test_the_index_is_built_and_verified(data: Path, touchstone: Touchstone) -> None:
    """Verifying needs a snapshot; building makes one; a registry that grew leaves it sound but behind."""
    missing = touchstone("--data-dir", data, "index", "verify")
    touchstone("--data-dir", data, "brands", "seed", "--only", "nike")
    built = touchstone("--data-dir", data, "--json", "index", "build")
    current = touchstone("--data-dir", data, "--json", "index", "verify")
    touchstone("--data-dir", data, "brands", "seed", "--only", "adidas")
    behind = touchstone("--data-dir", data, "--json", "index", "verify")

    assert missing.code == 1
    assert "index build" in missing.stderr
    assert (built.code, current.code, behind.code) == (0, 0, 0)
    assert json.loads(built.stdout)["index_version"] == json.loads(current.stdout)["index_version"]
    assert json.loads(current.stdout)["current"] is True
    assert json.loads(behind.stdout)["current"] is False


def test_a_damaged_embedding_costs_one_view_and_is_named(
    data: Path, touchstone: Touchstone, caplog: pytest.LogCaptureFixture
) -> None:
    """A row that lost bytes keeps nothing from being indexed; verifying tells which reference matches less."""
    touchstone("--data-dir", data, "brands", "seed", "--only", "nike")
    with closing(sqlite3.connect(data / "touchstone.db")) as store, store:
        ((damaged,),) = store.execute("SELECT min(reference_id) FROM reference_embeddings").fetchall()
        store.execute(
            "UPDATE reference_embeddings SET vector = x'00' WHERE reference_id = ? AND variant = 0", [damaged]
        )

    built = touchstone("--data-dir", data, "index", "build")
    told = touchstone("--data-dir", data, "--json", "index", "verify")
    sentence = touchstone("--data-dir", data, "index", "verify")

    assert built.code == 0
    assert f"embedding 0 of reference {damaged} has 0 values and others 128" in caplog.text
    assert (told.code, sentence.code) == (1, 1)
    assert json.loads(told.stdout)["unusable"] == [damaged]
    assert f"1 with embeddings in the store that cannot be searched ({damaged})" in sentence.stdout


def test_verifying_the_index_holds_no_transaction(
    data: Path, touchstone: Touchstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing takes minutes on a large installation, and a database ends a transaction that is idle for one."""
    touchstone("--data-dir", data, "brands", "seed", "--only", "nike")
    touchstone("--data-dir", data, "index", "build")

    def meanwhile(source: ReferenceSource, directory: Path, fingerprint: str) -> Verification | None:
        with Store.open(data / "touchstone.db") as other:
            other.put_brands([Brand(brand_id="new", name="New")])
        return verify_snapshot(source, directory, fingerprint)

    monkeypatch.setattr("serving.cli.index.verify_snapshot", meanwhile)
    verified = touchstone("--data-dir", data, "--json", "index", "verify")

    assert verified.code == 0
    assert json.loads(verified.stdout)["behind"] == 1  # within one transaction the new brand would not be seen


def test_a_policy_is_checked_before_use(tmp_path: Path, touchstone: Touchstone) -> None:
    """The policy that ships compiles; one with an unknown fact is refused with its line."""
    rule = "  - {id: r, when: price.rato < 1.0, verdict: REVIEW, code: LOW_PRICE, text: low}\n"
    wrong = _written(tmp_path / "wrong.yaml", f"format_version: 1\nname: mine\nrules:\n{rule}".encode())

    shipped = touchstone("--json", "policy", "check")
    refused = touchstone("policy", "check", wrong)

    assert shipped.code == 0
    assert "known-counterfeit-copy" in {found["id"] for found in json.loads(shipped.stdout)["rules"]}
    assert refused.code == 2
    assert f"{wrong}:4" in refused.stderr


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _comparable(printed: str) -> Any:
    document = json.loads(printed)
    for name in _OF_ITS_OWN:
        assert document.pop(name), name
    return _rounded(document)


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 4)
        case dict():
            return {key: _rounded(each) for key, each in value.items()}
        case list():
            return [_rounded(each) for each in value]
        case _:
            return value
