"""Is this the same request again? What an idempotency key is remembered by: the rpc, who calls, and every byte."""

from __future__ import annotations

import hashlib

from google.protobuf.message import Message

from index.rulings import RequestKey
from serving.access.caller import Caller


def key_of(request: Message, request_id: str, caller: Caller) -> RequestKey | None:
    """Return what the request is remembered by; None where the caller gave no key."""
    if not request_id:
        return None
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
    scope = f"{request.DESCRIPTOR.name} by {caller.name}"
    return RequestKey(scope=scope, request_id=request_id, request_sha256=digest)
