"""`touchstone evidence`: what a takedown owes to others; packages out of the service, and whether one is what it was.

Works on the store of this installation, or through a running service with `--server`; `verify` needs neither.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import click
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from serving.access.caller import ACTOR, Caller
from serving.app import make_case_answers, open_blobs, open_store
from serving.case_rules import load_case_rules
from serving.cli.common import by_actor, message_dict, print_json, settings_of, wants_json
from serving.cli.connection import reached, refusals_told, with_credentials
from serving.legal.answers import StatementAnswers
from serving.legal.register_rules import MOST_AT_ONCE
from serving.legal.words import LANGUAGES
from serving.packages.check import check_package
from serving.packages.signing import load_public_key
from serving.photo_keeping import PhotoKeeper
from touchstone.moderation.v1 import case_service_pb2 as cases
from touchstone.moderation.v1 import statement_service_pb2 as pb
from touchstone.moderation.v1.case_service_pb2_grpc import CaseServiceStub
from touchstone.moderation.v1.statement_service_pb2_grpc import StatementServiceStub

_TIMEOUT_S = 120.0
_PIECE_BYTES = 2 * 2**20  # gRPC takes in 4 MiB at most, unless it is told otherwise
_AUDIENCES = {
    name.removeprefix("EVIDENCE_AUDIENCE_").lower().replace("_", "-"): value
    for name, value in cases.EvidenceAudience.items()
    if value
}
_DAY = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])

Ask = Callable[[str, Message], Any]


@click.group()
@with_credentials("Ask a running service instead of the store.")
@by_actor
@click.pass_context
def evidence(context: click.Context, /, **options: Any) -> None:
    """Evidence packages, statements of reasons, and the public register's file."""
    context.meta.update({f"evidence.{key}": value for key, value in options.items()})


@evidence.command()
@click.argument("case_id")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The zip to write.")
@click.option("--audience", type=click.Choice(list(_AUDIENCES)), default="brand-owner", show_default=True)
@click.option("--basis", default="", help="On what basis it is disclosed; an authority's package needs one.")
@click.option("--recipient", default="", help="Who receives it, for the log.")
@click.pass_context
def export(context: click.Context, /, case_id: str, out: Path, audience: str, basis: str, recipient: str) -> None:
    """Make the evidence package of a case and write it to a file."""
    request = cases.ExportEvidenceRequest(
        case_id=case_id,
        audience=_AUDIENCES[audience],
        disclosure_basis=basis,
        recipient=recipient,
        max_bytes=_PIECE_BYTES,
    )
    unfinished = out.with_name(f".{out.name}.part")
    try:
        with _asking(context) as ask, unfinished.open("wb") as file:
            told = _read_out(ask, request, file)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    if wants_json(context):
        package = {"package_id": told.package_id, "sha256": told.package_sha256, "bytes": told.package_size_bytes}
        print_json(package | {"file": str(out)})
    else:
        click.echo(f"{out}: package {told.package_id}, {told.package_size_bytes:,} bytes, sha256 {told.package_sha256}")


@evidence.command()
@click.argument("package", type=click.Path(exists=True, path_type=Path))
@click.option("--sha256", "recorded", default="", help="What the service recorded of the zip; compared with it.")
@click.option("--key", type=click.Path(exists=True, path_type=Path), help="PEM file: whose signature it must carry.")
@click.pass_context
def verify(context: click.Context, /, package: Path, recorded: str, key: Path | None) -> None:
    """Check a package, a zip or the folder that it was unpacked to: checksums, schema, chain and signature.

    Exit code 1 when something was changed; it says what.
    """
    found = check_package(package, None if key is None else load_public_key(key))
    faults = list(found.faults)
    if recorded and recorded != found.sha256:
        faults.append(f"the zip's sha256 is {found.sha256 or 'not known of a folder'}, not the one recorded")
    if wants_json(context):
        known = {"package_id": found.package_id, "files": found.files, "events": found.events, "sha256": found.sha256}
        print_json(known | {"signer": found.signer, "sound": not faults, "faults": faults})
    else:
        for fault in faults:
            click.echo(fault)
        verdict = f"{len(faults)} faults" if faults else "sound"
        click.echo(f"package {found.package_id}: {found.files} files, {found.events} events in the chain: {verdict}")
        if found.signer:
            checked = "checked" if key is not None else "not checked: name their public key with --key"
            click.echo(f"signed by {found.signer} ({checked})")
    if faults:
        context.exit(1)


@evidence.command()
@click.option("--from", "start", type=_DAY, required=True, help="First day, UTC.")
@click.option("--to", "end", type=_DAY, required=True, help="The day after the last, UTC.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="JSON file to write.")
@click.pass_context
def dsa(context: click.Context, /, start: datetime, end: datetime, out: Path) -> None:
    """Write the statements of reasons of a time for the DSA Transparency Database, at most 100 a file.

    Further files are named by number: statements.json, statements-2.json, ...
    """
    with _asking(context) as ask:
        statements = [one for page in _pages(ask, start, end) for one in json.loads(page.content)["statements"]]
    batches = [statements[at : at + MOST_AT_ONCE] for at in range(0, len(statements), MOST_AT_ONCE)] or [[]]
    files = [out if not number else out.with_stem(f"{out.stem}-{number + 1}") for number in range(len(batches))]
    for file, batch in zip(files, batches, strict=True):
        file.write_text(json.dumps({"statements": batch}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if wants_json(context):
        print_json({"statements": len(statements), "files": [str(file) for file in files]})
    else:
        click.echo(f"{len(statements)} statements in {', '.join(map(str, files))}")


@evidence.command()
@click.argument("decision_id")
@click.option("--language", type=click.Choice(LANGUAGES), default=LANGUAGES[0], show_default=True)
@click.option("--html", is_flag=True, help="As an HTML document.")
@click.pass_context
def statement(context: click.Context, /, decision_id: str, language: str, *, html: bool) -> None:
    """Print what the seller is told of a takedown."""
    with _asking(context) as ask:
        told = ask("GetStatement", pb.GetStatementRequest(decision_id=decision_id, language=language)).statement
    if wants_json(context):
        print_json(message_dict(told))
    else:
        click.echo(told.html if html else told.text, nl=False)


def _read_out(ask: Ask, request: cases.ExportEvidenceRequest, file: BinaryIO) -> cases.ExportEvidenceResponse:
    """Write a package to a file piece by piece; return the first answer."""
    first = piece = ask("ExportEvidence", request)
    file.write(piece.content)
    while piece.next_offset_bytes:
        onwards = cases.ExportEvidenceRequest(
            case_id=request.case_id,
            package_id=first.package_id,
            offset_bytes=piece.next_offset_bytes,
            max_bytes=_PIECE_BYTES,
        )
        piece = ask("ExportEvidence", onwards)
        file.write(piece.content)
    told: cases.ExportEvidenceResponse = first
    return told


def _pages(ask: Ask, start: datetime, end: datetime) -> Iterator[pb.ExportStatementsResponse]:
    request = pb.ExportStatementsRequest(start_time=_time(start), end_time=_time(end))
    while True:
        page: pb.ExportStatementsResponse = ask("ExportStatements", request)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _time(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment.replace(tzinfo=UTC))
    return stamp


@contextmanager
def _asking(context: click.Context) -> Iterator[Ask]:
    """Give a way to ask for packages and statements: over the wire, or in this process."""
    server, name = context.meta["evidence.server"], context.meta["evidence.actor"]
    if server is None:
        settings = settings_of(context)
        rules = load_case_rules(settings.case_rules)
        shelf = open_blobs(settings)
        with open_store(settings) as store, PhotoKeeper.of(settings, shelf) as photos:
            answers = make_case_answers(
                store, rules, shelf, photos, font=settings.evidence_font, key=settings.evidence_key
            )
            statements = StatementAnswers(answers.desk)
            methods: dict[str, Callable[[Any], Any]] = {
                "ExportEvidence": lambda request: answers.export(request, Caller(name)),
                "GetStatement": statements.get,
                "ExportStatements": statements.export,
            }
            yield lambda rpc, request: methods[rpc](request)
        return
    with reached(server, context.meta["evidence.credentials"]) as channel:
        stubs = {"ExportEvidence": CaseServiceStub(channel)}
        of_statements = StatementServiceStub(channel)

        def ask_there(rpc: str, request: Message) -> Any:
            with refusals_told(server):
                stub: Any = stubs.get(rpc, of_statements)
                return getattr(stub, rpc)(request, timeout=_TIMEOUT_S, metadata=[(ACTOR, name)])

        yield ask_there
