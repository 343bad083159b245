"""`touchstone scan` opens cases for what became worse: after a preview, and only when somebody agreed."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from serving.app import open_application
from serving.scan.workspace import scan_id_of
from tests.integration.scan_support import STRICT, activate, screen_all, write_lines
from tests.integration.support import KNOWN_FAKE, Touchstone, draw, fill, settings_at


class Terminal(io.StringIO):
    """What somebody types at, or looks at."""

    def isatty(self) -> bool:
        """Say that somebody is there."""
        return True


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an installation in which listings were screened before the policy became stricter."""
    folder = tmp_path_factory.mktemp("installed")
    with open_application(settings_at(folder).model_copy(update={"points": "none"})) as application:
        fill(application)
        activate(screen_all(application), STRICT)
    return folder


@pytest.fixture
def data(installed: Path, tmp_path: Path) -> Path:
    """Give a test an installation of its own."""
    return Path(shutil.copytree(installed, tmp_path / "data"))


def test_cases_of_a_redecision_wait_for_an_answer(data: Path, touchstone: Touchstone, tmp_path: Path) -> None:
    """Nobody there: rows and a preview, exit 2, no case. The finished scan opens them later, each once."""
    out = tmp_path / "after.parquet"
    command = ("--data-dir", data, "scan", "--redecide", "--out", out, "--open-cases")

    shown = touchstone(*command)
    ready = touchstone("--data-dir", data, "--json", "scan", "cases", out)
    opened = touchstone(*command, "--resume", "--yes")
    again = touchstone("--data-dir", data, "--json", "scan", "cases", out, "--yes")
    listed = touchstone("--data-dir", data, "cases", "list", "--scan", str(scan_id_of(out)))

    assert (shown.code, pq.read_metadata(out).num_rows) == (2, 6)
    assert "cases to open: 2: REVIEW 2" in shown.stdout
    assert "--yes" in shown.stderr
    document = json.loads(ready.stdout)
    assert (ready.code, document["preview"]["opened"], document["done"]) == (2, 2, None)
    assert (opened.code, opened.stdout.splitlines()[-1]) == (
        0, f"2 cases opened; see touchstone cases list --scan {scan_id_of(out)}",
    )  # fmt: skip
    assert json.loads(again.stdout)["done"] == {"known": 2}
    assert listed.stdout.splitlines()[-1] == "2 of 2 cases"


def test_cases_of_a_manifest_are_capped_and_told_as_json(data: Path, touchstone: Touchstone, tmp_path: Path) -> None:
    """A listing screened as harmless whose photo is a known fake's gets a case; the document has preview and result."""
    (tmp_path / "fake.png").write_bytes(draw(KNOWN_FAKE))
    rows = [{"listing_id": name, "images": ["fake.png"]} for name in ("plain", "bag", "nobody", "fake")]
    manifest = write_lines(tmp_path / "in.jsonl", map(json.dumps, rows))
    out = tmp_path / "out.parquet"
    command = (
        "--data-dir",
        data,
        "--json",
        "scan",
        manifest,
        "--out",
        out,
        "--open-cases",
        "--max-cases",
        "1",
        "--yes",
    )

    done = touchstone(*command)

    cases = json.loads(done.stdout)["cases"]
    assert done.code == 0, done.stderr
    assert (cases["preview"]["opened"], cases["preview"]["over"], cases["preview"]["unscreened"]) == (2, 1, 1)
    assert cases["preview"]["verdicts"] == {"TAKEDOWN": 1}
    assert cases["done"] == {"opened": 1}


def test_somebody_is_asked(data: Path, touchstone: Touchstone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a question comes after the preview, and the answer counts; either way the scan itself is fine."""
    out = tmp_path / "after.parquet"
    assert touchstone("--data-dir", data, "scan", "--redecide", "--out", out).code == 0
    seen = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal("n\ny\n"))
    monkeypatch.setattr("sys.stderr", seen)

    refused, agreed = (touchstone("--data-dir", data, "scan", "cases", out) for _ in range(2))

    assert seen.getvalue().count("Open 2 cases?") == 2
    assert (refused.code, "cases opened" in refused.stdout) == (0, False)
    assert (agreed.code, "2 cases opened" in agreed.stdout) == (0, True)


def test_a_finished_redecision_is_known_by_what_it_was_asked(
    data: Path, touchstone: Touchstone, tmp_path: Path
) -> None:
    """--resume says that a file is finished, whatever was screened since; one of another query is not taken for it."""
    out = tmp_path / "after.parquet"
    command = ("--data-dir", data, "scan", "--redecide", "--out", out, "--resume")
    first = touchstone(*command, "--seller", "s1")
    with open_application(settings_at(data).model_copy(update={"points": "none"})) as application:
        screen_all(application)

    same, other = touchstone(*command, "--seller", "s1"), touchstone(*command)

    assert (first.code, pq.read_metadata(out).num_rows) == (0, 2)
    assert (same.code, same.stdout) == (0, f"{out} is finished already\n")
    assert (other.code, "exists" in other.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--redecide", "--out", "o.parquet", "--max-cases", "5"), "need --open-cases"),
        (("--redecide", "--out", "o.parquet", "--ray"), "--ray is about photos"),
        (("in.jsonl", "--out", "o.parquet", "--brand", "b"), "--brand asks for what only --redecide knows"),
        (("in.jsonl", "--redecide", "--out", "o.parquet"), "--redecide and which listings"),
        (("in.jsonl",), "--out"),
        (("in.jsonl", "--out", "o.parquet", "--resume-scan", "s"), "needs --server"),
        (
            ("in.jsonl", "--out", "o.parquet", "--server", "h:1", "--no-reuse"),
            "--no-reuse is for scans of this machine",
        ),
        (("in.jsonl", "--out", "o.parquet", "--server", "h:1", "--ray", "auto"), "the service has its own"),
    ],
)
def test_options_that_do_not_go_together_are_refused(touchstone: Touchstone, words: tuple[str, ...], says: str) -> None:
    """Nothing that was asked for is passed over in silence."""
    refused = touchstone("scan", *words)

    assert (refused.code, says in refused.stderr) == (2, True), refused.stderr


def test_plan_of_a_redecision_writes_nothing(data: Path, touchstone: Touchstone, tmp_path: Path) -> None:
    """`--plan` counts what would be decided on again."""
    out = tmp_path / "after.parquet"

    planned = touchstone("--data-dir", data, "--json", "scan", "--redecide", "--out", out, "--plan", "--market", "DE")

    assert json.loads(planned.stdout) == {"plan": {"listing_count": 1}}
    assert list(tmp_path.glob("after*")) == []
