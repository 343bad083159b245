"""May this call begin, and go on? Who calls is found out and held to `serving.access.permissions` before each rpc.

The servicer then reads the caller from `CALLING`. A stream may outlive the credential that it began with: it is
admitted anew at short intervals, and ends with UNAUTHENTICATED once the credential has expired or was revoked. What is
refused is logged with who and which rpc, never with the credential.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

import grpc

from serving.access.caller import CALLING, NOBODY, Caller
from serving.access.identity import Authenticator, Call, Identity
from serving.access.permissions import NO_CREDENTIAL, RPCS, Permission, may, require
from serving.errors import PermissionDenied, Unauthenticated
from serving.interceptor import Behaviour, Context, Handler, Item, behaviour_of, reporting, rewrapped
from serving.streams import read_next

log = logging.getLogger(__name__)

# Two clocks are compared, so a credential may have a moment left when it was asked about.
_LEAST_WAIT_S = 0.01

T = TypeVar("T")
Admit = Callable[[], Awaitable[Identity]]


@dataclass(frozen=True)
class Gate:
    """Lets calls in. The first authenticator that finds its kind of credential says who calls.

    Where credentials are not `required`, nobody was asked to sign in: then a caller of whom no roles are known may do
    everything, while one whose roles a proxy tells is held to them. To callers who are held to roles `granted` adds the
    brands that they were given here.
    """

    authenticators: Sequence[Authenticator]
    required: bool
    granted: Callable[[Caller], Caller] = lambda caller: caller

    async def admit(self, rpc: str, call: Call) -> Identity:
        """Return who calls "package.Service/Method".

        Raises:
            Unauthenticated: no valid credential came with the call.
            PermissionDenied: the caller's roles do not cover the rpc.

        """
        who = Identity(NOBODY, "nobody")
        try:
            who = await self._identify(call) or who
            if self.required or who.caller.roles:
                who = replace(who, caller=self.granted(who.caller))
            if self.required and not who.caller.name and RPCS.get(rpc) not in NO_CREDENTIAL:
                raise Unauthenticated("No credential came with this call; send 'authorization: Bearer ...' or sign in.")
            if self._held(who.caller) or rpc not in RPCS:
                require(who.caller, rpc)
        except (Unauthenticated, PermissionDenied) as error:
            log.warning("%s refused to %r (%s) at %s: %s", rpc, who.caller.name, who.source, call.peer, error)
            raise
        return who

    def lets(self, caller: Caller, rpc: str) -> bool:
        """Tell whether a caller who is known may call "package.Service/Method"."""
        return rpc in RPCS and (not self._held(caller) or may(caller, rpc))

    def _held(self, caller: Caller) -> bool:
        return self.required or bool(caller.roles)

    async def _identify(self, call: Call) -> Identity | None:
        for authenticator in self.authenticators:
            identity = await authenticator.identify(call)
            if identity is not None:
                return identity
        return None


class AdmissionInterceptor(grpc.aio.ServerInterceptor):
    """Asks `gate` before each rpc; streams are admitted anew every `again_s` seconds."""

    def __init__(self, gate: Gate, *, again_s: float) -> None:
        self._gate = gate
        self._again_s = again_s

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler that would be called; unknown methods, and probes of health, pass untouched."""
        handler = await continuation(handler_call_details)
        rpc = handler_call_details.method.removeprefix("/")
        if handler is None or RPCS.get(rpc) is Permission.PROBE:
            return handler
        behaviour = behaviour_of(handler)
        wrap = self._yielding if inspect.isasyncgenfunction(behaviour) else self._returning
        return rewrapped(handler, wrap(behaviour, rpc, handler), handler.request_deserializer)

    def _returning(self, behaviour: Behaviour, rpc: str, handler: Handler) -> Behaviour:
        async def call(request: Item, context: Context) -> Item:
            who, admit = await self._begin(rpc, context)
            if handler.request_streaming and self._gate.required:
                request = while_admitted(request, who, admit, again_s=self._again_s)
            return await behaviour(request, context)

        return call

    def _yielding(self, behaviour: Behaviour, rpc: str, handler: Handler) -> Behaviour:
        async def call(request: Item, context: Context) -> AsyncIterator[Item]:
            who, admit = await self._begin(rpc, context)
            if handler.request_streaming and self._gate.required:
                # What was taken in is answered; nothing more is taken in.
                request = while_admitted(request, who, admit, again_s=self._again_s)
            responses = behaviour(request, context)
            if not handler.request_streaming and self._gate.required:
                responses = while_admitted(responses, who, admit, again_s=self._again_s)
            async with aclosing(responses):
                async for response in responses:
                    yield response

        return call

    async def _begin(self, rpc: str, context: Context) -> tuple[Identity, Admit]:
        credential = Call.of(context)

        def admit() -> Awaitable[Identity]:
            return self._gate.admit(rpc, credential)

        # Here, not in `StatusInterceptor`, which leaves handlers without a deserialiser as they are.
        async with reporting(context, rpc):
            who = await admit()
        CALLING.set(who.caller)
        return who, admit


async def while_admitted(items: AsyncIterator[T], who: Identity, admit: Admit, *, again_s: float) -> AsyncIterator[T]:
    """Pass items on for as long as the caller is let in, which is asked anew every `again_s` seconds and at the end.

    Raises whatever `admit` raises then; `items` are closed in any case.
    """
    clock = asyncio.get_running_loop().time
    due = clock() + _wait_s(who, again_s)
    reading = read_next(items)
    try:
        while True:
            await asyncio.wait({reading}, timeout=max(0.0, due - clock()))
            if clock() >= due:
                who = await admit()
                due = clock() + _wait_s(who, again_s)
            if reading.done():
                if not (item := reading.result()):
                    return
                yield item[0]
                reading = read_next(items)
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await reading
        if hasattr(items, "aclose"):
            await items.aclose()


def _wait_s(who: Identity, again_s: float) -> float:
    """Return after how many seconds to ask anew: when the credential ends, if that is sooner."""
    if who.until is None:
        return again_s
    return min(again_s, max(_LEAST_WAIT_S, (who.until - datetime.now(UTC)).total_seconds()))
