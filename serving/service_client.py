"""How do the typed clients call? One channel, the same metadata with every call, refused fields as InvalidListing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from serving.channel import Credentials, from_environment
from serving.client import violations_of
from serving.errors import InvalidListing


class ServiceClient:
    """A channel to one service. Thread-safe; use it as a context manager."""

    def __init__(
        self,
        stub: Callable[[grpc.Channel], Any],
        target: str,
        credentials: Credentials | None = None,
        *,
        metadata: Sequence[tuple[str, str]] = (),
        timeout_s: float,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """Connect to "host:port". Without `credentials`, in plaintext, with the token of TOUCHSTONE_TOKEN if any."""
        self._channel = (credentials or from_environment()).channel(target, options=list(options))
        self._stub = stub(self._channel)
        self._metadata = tuple(metadata)
        self._timeout_s = timeout_s

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, rpc: str, request: Any) -> Any:
        """Call, and raise InvalidListing where fields were refused."""
        try:
            return getattr(self._stub, rpc)(request, metadata=self._metadata, timeout=self._timeout_s)
        except grpc.RpcError as error:
            if refused := violations_of(error):
                raise InvalidListing(refused) from error
            raise


def repeating(service: str, rpcs: Sequence[str]) -> list[tuple[str, Any]]:
    """Give the channel options by which these rpcs of touchstone.moderation.v1 are sent again when UNAVAILABLE."""
    policy = {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    names = [{"service": f"touchstone.moderation.v1.{service}", "method": rpc} for rpc in rpcs]
    config = {"methodConfig": [{"name": names, "retryPolicy": policy}]}
    return [("grpc.service_config", json.dumps(config)), ("grpc.enable_retries", 1)]
