"""How do the commands of `touchstone cases` ask? CaseService, in this process or over the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import click
from google.protobuf.message import Message

from serving.access.caller import ACTOR, Caller
from serving.app import make_case_answers, open_blobs, open_store
from serving.case_rules import load_case_rules
from serving.cli.common import settings_of
from serving.cli.connection import reached, refusals_told
from serving.photo_keeping import PhotoKeeper
from touchstone.moderation.v1.case_service_pb2_grpc import CaseServiceStub

_TIMEOUT_S = 60.0
# rpc -> the method of `CaseAnswers` behind it
_METHODS = {
    "ListCases": "list",
    "GetCase": "get",
    "ClaimCase": "claim",
    "ResolveCase": "resolve",
    "BatchResolveCases": "resolve_batch",
    "UndoResolution": "undo",
    "ReportListing": "report",
    "AppealDecision": "appeal",
    "MarkGoldCase": "gold.mark",
    "UnmarkGoldCase": "gold.unmark",
    "ListGoldCases": "gold.list",
}

Ask = Callable[[str, Message], Any]


@contextmanager
def asking(context: click.Context) -> Iterator[Ask]:
    """Give a way to ask CaseService: over the wire, or in this process."""
    server, name = context.meta["cases.server"], context.meta["cases.actor"]
    if server is None:
        settings = settings_of(context)
        rules = load_case_rules(settings.case_rules)
        with open_store(settings) as store:
            shelf = open_blobs(settings)
            with PhotoKeeper.of(settings, shelf) as photos:
                answers = make_case_answers(store, rules, shelf, photos, font=settings.evidence_font)

            def ask_here(rpc: str, request: Message) -> Any:
                return attrgetter(_METHODS[rpc])(answers)(request, Caller(name))

            yield ask_here
        return
    with reached(server, context.meta["cases.credentials"]) as channel:
        stub = CaseServiceStub(channel)

        def ask_there(rpc: str, request: Message) -> Any:
            with refusals_told(server):
                return getattr(stub, rpc)(request, timeout=_TIMEOUT_S, metadata=[(ACTOR, name)])

        yield ask_there
