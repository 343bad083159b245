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
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

import grpc

from serving.access.caller import CALLING, NOBODY, Caller
from serving.access.identity import Authenticator, Call, Identity
from serving.access.permissions import NO_CREDENTIAL, RPCS, Permission, may, require
from serving.errors import DeadlineExceeded, PermissionDenied, Unauthenticated
from serving.interceptor import Behaviour, Context, Handler, Item, behaviour_of, reporting, rewrapped
from serving.limits.callers import CallerLimits
from serving.limits.messages import only, unless_idle
from serving.report_bodies import REPORT
from serving.settings import Settings
from serving.streams import read_next

log = logging.getLogger(__name__)

# Two clocks are compared, so a credential may have a moment left when it was asked about.
_LEAST_WAIT_S = 0.01
# What has a deadline of its own is left to say so itself.
_GRACE_S = 1.0

T = TypeVar("T")
Admit = Callable[[], Awaitable[Identity]]
Again = tuple[Identity, Admit]


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


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds: between two admissions of a stream, for a message to arrive, without a request, and for an answer."""

    again_s: float
    message_s: float
    idle_s: float
    answer_s: float

    @classmethod
    def of(cls, settings: Settings) -> Times:
        """Take them from the settings."""
        return cls(
            again_s=settings.refresh_s,
            message_s=settings.message_within_s,
            idle_s=settings.stream_idle_s,
            answer_s=settings.max_deadline_s + _GRACE_S,
        )


class AdmissionInterceptor(grpc.aio.ServerInterceptor):
    """Asks `gate` before each rpc, and `limits`, and only then has the call's message read.

    Streams are admitted anew every so often, and end when no request comes; other calls end when there is no answer.
    """

    def __init__(self, gate: Gate, limits: CallerLimits, times: Times) -> None:
        self._gate = gate
        self._limits = limits
        self._times = times

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
        if rpc == REPORT:  # whose message `ReportBodies` has read
            return rewrapped(handler, self._given(behaviour, rpc), handler.request_deserializer)
        wrap = self._yielding if inspect.isasyncgenfunction(behaviour) else self._returning
        kind = f"stream_{'stream' if handler.response_streaming else 'unary'}_rpc_method_handler"
        made: Handler = getattr(grpc, kind)(
            wrap(behaviour, rpc, handler), handler.request_deserializer, handler.response_serializer
        )
        return made

    def _given(self, behaviour: Behaviour, rpc: str) -> Behaviour:
        async def call(request: Item, context: Context) -> Item:
            async with self._let_in(rpc, context), self._answering():
                return await behaviour(request, context)

        return call

    def _returning(self, behaviour: Behaviour, rpc: str, handler: Handler) -> Behaviour:
        async def call(requests: AsyncIterator[Item], context: Context) -> Item:
            async with self._let_in(rpc, context) as again:
                if handler.request_streaming:
                    return await behaviour(self._stream(requests, again), context)
                request = await only(requests, within_s=self._times.message_s)
                async with self._answering():
                    return await behaviour(request, context)

        return call

    def _yielding(self, behaviour: Behaviour, rpc: str, handler: Handler) -> Behaviour:
        async def call(requests: AsyncIterator[Item], context: Context) -> AsyncIterator[Item]:
            async with self._let_in(rpc, context) as again:
                if handler.request_streaming:
                    # What was taken in is answered; nothing more is taken in.
                    responses = behaviour(self._stream(requests, again), context)
                else:
                    request = await only(requests, within_s=self._times.message_s)
                    responses = self._while_admitted(behaviour(request, context), again)
                async with aclosing(responses):
                    async for response in responses:
                        yield response

        return call

    def _stream(self, requests: AsyncIterator[Item], again: Again) -> AsyncIterator[Item]:
        return self._while_admitted(unless_idle(requests, idle_s=self._times.idle_s), again)

    def _while_admitted(self, items: AsyncIterator[Item], again: Again) -> AsyncIterator[Item]:
        who, admit = again
        return while_admitted(items, who, admit, again_s=self._times.again_s) if self._gate.required else items

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """End a call that has no answer in time; most end themselves before, saying what they were at."""
        try:
            async with asyncio.timeout(self._times.answer_s):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"no answer within {self._times.answer_s:g} s; it may yet be recorded: send the same request_id again"
            ) from error

    @asynccontextmanager
    async def _let_in(self, rpc: str, context: Context) -> AsyncIterator[Again]:
        """Admit and charge a call, which is open for as long as the block runs; give what admits it anew."""
        credential = Call.of(context)

        def admit() -> Awaitable[Identity]:
            return self._gate.admit(rpc, credential)

        with ExitStack() as place:
            # Here, not in `StatusInterceptor`, which leaves handlers without a deserialiser as they are.
            async with reporting(context, rpc):
                who = await admit()
                place.enter_context(self._limits.calling(rpc, who.caller))
            CALLING.set(who.caller)
            yield who, admit


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
