"""`touchstone scan cases OUT.parquet`, and `--open-cases` of scans: cases for what a scan found to be worse.

First the preview. Then a question, unless --yes; where nobody is there to answer it, nothing is opened: exit code 2.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from index.scans import ScanStep
from serving.app import open_store
from serving.case_opening import CaseOpening
from serving.case_rules import load_case_rules
from serving.cli.common import Told, counting, print_json, settings_of, wants_json
from serving.cli.scan_telling import stop_with_the_service, tell_cases
from serving.scan.cases import MAX_CASES, CasePreview, ScanCases, preview_of
from serving.settings import Settings
from serving.wire.scan import MAX_CASES as MOST_CASES

Command = TypeVar("Command", bound=Callable[..., Any])

NOT_AGREED = 2
_NAMES_SHOWN = 10
_NO_CASE = {
    ScanStep.AS_GRAVE: "the verdict in force is as grave",
    ScanStep.JOINED: "a case waits already",
    ScanStep.GONE: "removed from the marketplace",
    ScanStep.UNSCREENED: "never screened",
}


@dataclass(frozen=True, kw_only=True)
class CasesWanted:
    """How cases are to be opened: `most` at most; `yes`: at once. `scan_id` is the service's for its scan, or ""."""

    most: int
    yes: bool
    scan_id: str
    for_service: bool

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Self:
        """Read what the options say."""
        own = {name: asked[name] for name in ("yes", "scan_id", "for_service")}
        return cls(most=asked["max_cases"] or MAX_CASES, **own)


def case_options(command: Command) -> Command:
    """Give a command the options about opening cases."""
    for option in (
        # The id by which the service knows the scan.
        click.option("--scan-id", default="", hidden=True),
        click.option("--yes", is_flag=True, help="Open the cases without a question."),
        click.option(
            "--max-cases",
            type=click.IntRange(1, MOST_CASES),
            help=f"Open at most so many: takedowns first, then the likeliest. [{MAX_CASES}]",
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("scan", metavar="OUT.parquet", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@case_options
@click.option("--for-service", is_flag=True, hidden=True)
@click.pass_context
def cases(context: click.Context, /, scan: Path, **asked: Any) -> None:
    """Open a case for each listing that a finished scan found worse than the verdict in force; first a preview."""
    if asked["for_service"]:
        stop_with_the_service()
    told = open_cases(scan, settings_of(context), CasesWanted.of(asked), as_json=wants_json(context))
    if wants_json(context):
        print_json(told.document)
    context.exit(told.code)


def open_cases(out: Path, settings: Settings, wanted: CasesWanted, *, as_json: bool) -> Told:
    """Say what opening cases of a scan's file would do, and do it once agreed to.

    Raises CatalogueError when the file is none of a scan, StoreError: do it again, no case is opened twice.
    """
    say = click.echo if not (as_json or wanted.for_service) else _nothing
    rules = load_case_rules(settings.case_rules)
    with open_store(settings) as store:
        cases = ScanCases(store, CaseOpening(store, rules), bears=wanted.scan_id)
        preview = preview_of(out, cases, max_cases=wanted.most)
        say("\n".join(_lines(preview)))
        document = {"out": str(out), "preview": preview.document(), "done": None}
        if preview.chosen and not wanted.yes:
            if not somebody_is_there():
                return Told(code=NOT_AGREED, document=document)
            if not click.confirm(f"Open {len(preview.chosen)} cases?", err=True):
                return Told(code=0, document=document)
        done = _open(cases, preview, out, wanted)
    opened = done[ScanStep.OPENED]
    say(f"{opened} cases opened" + (f"; see touchstone cases list --scan {preview.scan_id}" if opened else ""))
    return Told(code=0, document=document | {"done": {str(step): count for step, count in done.items()}})


def _open(cases: ScanCases, preview: CasePreview, out: Path, wanted: CasesWanted) -> Counter[ScanStep]:
    if wanted.for_service:
        return cases.open(preview, progress=tell_cases(out, len(preview.chosen)))
    with counting("opening cases") as bar:
        return cases.open(preview, progress=lambda done: bar(done.total(), len(preview.chosen)))


def somebody_is_there() -> bool:
    """Whether a question can be asked; says what to do where it cannot."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        return True
    click.echo("no case was opened: give --yes, or be there to answer", err=True)
    return False


def _nothing(_words: str) -> None:
    """Say nothing: what is printed is for a program."""


def _lines(preview: CasePreview) -> list[str]:
    """Say how many cases there would be, of what, and for how many listings there would be none."""
    lines = [f"cases to open: {len(preview.chosen)}"]
    if preview.chosen:
        lines[0] += f": {_counts(preview.verdicts)}"
        lines.append(f"  brands: {_counts(preview.brands)}")
        lines.append(f"  reasons: {_counts(preview.reasons)}")
    if known := preview.steps[ScanStep.KNOWN]:
        lines.append(f"  opened by this scan before: {known}")
    if preview.over:
        lines.append(f"  left out: {preview.over}, over the cap of {len(preview.chosen)} (--max-cases)")
    none = ", ".join(f"{why} {preview.steps[step]}" for step, why in _NO_CASE.items() if preview.steps[step])
    return [*lines, f"  no case: {none}"] if none else lines


def _counts(counts: Counter[str]) -> str:
    named = [f"{name or '(none)'} {count}" for name, count in counts.most_common(_NAMES_SHOWN)]
    more = len(counts) - len(named)
    return ", ".join([*named, f"and {more} more"] if more > 0 else named)
