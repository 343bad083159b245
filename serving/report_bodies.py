"""How much of strangers' reports may be in memory at once? A place for each, taken before its message is read.

Whoever reports has no credential, so the message is read (`serving.limits.messages`) where there is a place for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import grpc

from serving.access.caller import Trust
from serving.access.client_address import address_of
from serving.interceptor import Behaviour, Context, Handler, Item, behaviour_of, reporting
from serving.limits.messages import only
from serving.places import Places
from touchstone.moderation.v1 import buyer_service_pb2

# A report has 24 MiB of photos at most and a message 64 MiB: half a gigabyte, if all of them are hostile.
AT_ONCE, OF_ONE = 8, 2
BODY_WITHIN_S = 60.0
# What most reports take, photos and all.
RETRY_AFTER_S = 5.0
REPORT = f"{buyer_service_pb2.DESCRIPTOR.services_by_name['BuyerService'].full_name}/Report"


class ReportBodies(grpc.aio.ServerInterceptor):
    """Bounds the calls of BuyerService.Report that are under way, of one address too; stands around what answers."""

    def __init__(self, trust: Trust, *, at_once: int = AT_ONCE, of_one: int = OF_ONE) -> None:
        self._trust = trust
        self._places = Places("reports are being taken in", most=at_once, of_one=of_one, retry_after_s=RETRY_AFTER_S)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of a report; all others pass untouched."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method != f"/{REPORT}":
            return handler
        call = self._bounded(behaviour_of(handler))
        made: Handler = grpc.stream_unary_rpc_method_handler(
            call, handler.request_deserializer, handler.response_serializer
        )
        return made

    def _bounded(self, behaviour: Behaviour) -> Behaviour:
        async def call(requests: AsyncIterator[Item], context: Context) -> Item:
            async with reporting(context, REPORT):
                with self._places.taken(address_of(context, self._trust)):
                    return await behaviour(await only(requests, within_s=BODY_WITHIN_S), context)

        return call
