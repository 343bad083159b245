"""`touchstone brands upload|references|review|retire|retire-bank`: references, as an owner or a moderator handles them.

Works on this installation, or through a running service with `--server`; both look the same to the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from index.errors import CatalogueError
from index.manifest import ReferenceRow, read_references
from serving.access.caller import ACTOR, Caller
from serving.app import open_application
from serving.cli.common import Faults, by_actor, message_dict, print_json, progress, settings_of, wants_json
from serving.cli.connection import reached, with_credentials
from serving.deadline import NEVER
from serving.reference_answers import ReferenceAnswers
from serving.reference_client import ReferenceClient, ReferenceFile, Sent, filled_in, paged
from serving.reference_sources import brand_slug
from serving.status import to_status
from serving.wire.decision import from_box
from serving.wire.reference import KINDS, ORIGINS, STATES
from touchstone.moderation.v1 import brand_pb2, evidence_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb
from vision.errors import TouchstoneError

Command = TypeVar("Command", bound=Callable[..., Any])

_SOURCES = {str(origin): number for origin, number in ORIGINS.items() if number}
_STATES = {str(state): number for state, number in STATES.items()}
_MATCHED_OR_WAITING = [_STATES[name] for name in ("pending", "active", "quarantined")]


@dataclass(frozen=True)
class _Here:
    """What `ReferenceClient` does, in this process."""

    answers: ReferenceAnswers
    caller: Caller

    def upload(self, files: Iterable[ReferenceFile]) -> Iterator[Sent]:
        results = [self._one(sequence, file) for sequence, file in enumerate(files)]
        version = self.answers.index_version()
        yield from (Sent(file, result, version) for file, result in results)

    def references(
        self, brand_id: str, *, states: Sequence[brand_pb2.ReferenceState.ValueType] = (), bank_id: str = ""
    ) -> Iterator[brand_pb2.Reference]:
        request = pb.ListReferencesRequest(brand_id=brand_id, states=states, bank_id=bank_id)
        return paged(lambda: self.answers.list(request, self.caller), request)

    def review(self, request: pb.ReviewReferenceRequest) -> pb.ReviewReferenceResponse:
        return self.answers.review(request, self.caller)

    def retire(self, request: pb.RetireReferenceRequest) -> pb.RetireReferenceResponse:
        return self.answers.retire(request, self.caller)

    def _one(self, sequence: int, file: ReferenceFile) -> tuple[ReferenceFile, pb.UploadReferenceResult]:
        content = file.path.read_bytes()
        header = filled_in(file, content)
        result = pb.UploadReferenceResult(sequence=sequence, request_id=header.request_id)
        try:
            result.reference.CopyFrom(self.answers.upload(header, content, self.caller, deadline=NEVER))
        except TouchstoneError as error:
            result.error.CopyFrom(to_status(error))
        return file, result


def _reaching(command: Command) -> Command:
    """Give a command the options that say where the references are and who asks."""
    return with_credentials("Ask a running service instead of this installation.")(by_actor(command))


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--brand", default="", metavar="ID", help="Brand of all references. [what each row's brand is as an id]")
@click.option("--bank", default="", help="Set of references to put them in, such as one seizure's counterfeits.")
@click.option("--source", type=click.Choice(list(_SOURCES)), help="How they came in.")
@click.option("--source-id", default="", help="The notice, listing or purchase that --source speaks of.")
@click.option("--hold", is_flag=True, help="Keep them pending, to preview them first.")
@_reaching
@click.pass_context
def upload(context: click.Context, /, manifest: Path, **given: Any) -> None:
    """Upload the references that MANIFEST (JSON Lines) lists. Those that fail are named; the others are taken in."""
    faults = Faults()
    rows = list(_readable(read_references(manifest, on_error=faults.add), faults))
    sent: list[Sent] = []
    with _asking(context, given) as references:
        answers = references.upload(ReferenceFile(_header_of(row, given), row.image) for row in rows)
        for row, each in zip(rows, progress(answers, what="uploading", total=len(rows)), strict=True):
            if each.result.HasField("error"):
                faults.add(CatalogueError(f"{row.where}: {each.result.error.message}"))
            else:
                sent.append(each)
    if wants_json(context):
        taken = [message_dict(each.result.reference) for each in sent]
        version = sent[-1].index_version if sent else ""
        print_json({"references": taken, "faults": faults.count, "index_version": version})
    else:
        for each in sent:
            click.echo(_line(each.result.reference))
    faults.exit_if_any(context)


@click.command("references")
@click.argument("brand")
@click.option("--state", type=click.Choice(list(_STATES)), multiple=True, help="Only these; default: all.")
@click.option("--bank", default="", help="Only this set.")
@_reaching
@click.pass_context
def list_references(context: click.Context, /, brand: str, **given: Any) -> None:
    """List the references of BRAND (its id), the newest first."""
    with _asking(context, given) as references:
        states = [_STATES[name] for name in given["state"]]
        found = list(references.references(brand, states=states, bank_id=given["bank"]))
    if wants_json(context):
        print_json([message_dict(reference) for reference in found])
        return
    table = Table("id", "state", "kind", "bank", "file", "why")
    for each in found:
        words = (each.bank_id, each.provenance.file_name, each.state_reason)
        table.add_row(each.reference_id, _state(each), _kind(each), *map(escape, words))
    Console().print(table)


@click.command()
@click.argument("reference_id")
@click.option("--activate", "action", flag_value="ACTIVATE", help="Match it against listings.")
@click.option("--quarantine", "action", flag_value="QUARANTINE", help="Hold it back.")
@click.option("--reject", "action", flag_value="REJECT", help="Refuse it, for good.")
@click.option("--reason", default="", help="Why, for the brand's owner.")
@_reaching
@click.pass_context
def review(context: click.Context, /, reference_id: str, **given: Any) -> None:
    """Decide on a reference that is pending or quarantined."""
    if given["action"] is None:
        raise click.UsageError("say what to do: --activate, --quarantine or --reject")
    action = pb.ReviewAction.Value(f"REVIEW_ACTION_{given['action']}")
    request = pb.ReviewReferenceRequest(reference_id=reference_id, action=action, reason=given["reason"])
    with _asking(context, given) as references:
        _show(context, references.review(request))


@click.command()
@click.argument("reference_id")
@click.option("--reason", default="", help="Why, for the record.")
@_reaching
@click.pass_context
def retire(context: click.Context, /, reference_id: str, **given: Any) -> None:
    """End the matching of a reference, for good; it stays readable."""
    with _asking(context, given) as references:
        _show(context, references.retire(pb.RetireReferenceRequest(reference_id=reference_id, reason=given["reason"])))


@click.command("retire-bank")
@click.argument("brand")
@click.argument("bank")
@click.option("--reason", required=True, help="Why, for the record.")
@_reaching
@click.pass_context
def retire_bank(context: click.Context, /, brand: str, bank: str, **given: Any) -> None:
    """Retire all references of a set, such as a bank of known counterfeits, of BRAND (its id)."""
    with _asking(context, given) as references:
        wanted = list(references.references(brand, states=_MATCHED_OR_WAITING, bank_id=bank))
        for each in progress(wanted, what="retiring"):
            references.retire(pb.RetireReferenceRequest(reference_id=each.reference_id, reason=given["reason"]))
    if wants_json(context):
        print_json({"retired": [each.reference_id for each in wanted]})
    else:
        click.echo(f"{len(wanted)} references of {bank} retired")


COMMANDS = (upload, list_references, review, retire, retire_bank)


@contextmanager
def _asking(context: click.Context, given: dict[str, Any]) -> Iterator[ReferenceClient | _Here]:
    """Give a way to ask about references: over the wire, or in this process."""
    server, actor = given["server"], given["actor"]
    if server is None:
        with open_application(settings_of(context)) as application:
            yield _Here(application.registry.references, Caller(actor))
        return
    with reached(server, given["credentials"]) as channel:
        yield ReferenceClient(channel, metadata=[(ACTOR, actor)])


def _readable(rows: Iterable[ReferenceRow], faults: Faults) -> Iterator[ReferenceRow]:
    for row in rows:
        try:
            row.image.open("rb").close()
        except OSError as error:
            faults.add(CatalogueError(f"{row.where}: {row.image}: {error.strerror}"))
        else:
            yield row


def _header_of(row: ReferenceRow, given: dict[str, Any]) -> pb.UploadReferenceHeader:
    source = _SOURCES.get(given["source"], brand_pb2.REFERENCE_SOURCE_UNSPECIFIED)
    return pb.UploadReferenceHeader(
        brand_id=given["brand"] or brand_slug(row.brand),
        kind=KINDS[row.kind],
        box=None if row.box is None else from_box(row.box),
        bank_id=given["bank"],
        provenance=brand_pb2.ReferenceProvenance(source=source, source_id=given["source_id"]),
        hold=given["hold"],
    )


def _show(context: click.Context, response: pb.ReviewReferenceResponse | pb.RetireReferenceResponse) -> None:
    if wants_json(context):
        print_json(message_dict(response))
    else:
        click.echo(_line(response.reference))


def _line(reference: brand_pb2.Reference) -> str:
    words = (reference.reference_id, _state(reference), _kind(reference), reference.state_reason)
    return "  ".join(words).rstrip()


def _state(reference: brand_pb2.Reference) -> str:
    return brand_pb2.ReferenceState.Name(reference.state).removeprefix("REFERENCE_STATE_")


def _kind(reference: brand_pb2.Reference) -> str:
    return evidence_pb2.ReferenceKind.Name(reference.kind).removeprefix("REFERENCE_KIND_").lower()
