"""Has the message arrived? Requests are read only after a call was let in, and not waited for without end.

grpc.aio reads the message of a unary rpc before anybody is asked, 64 MiB from whoever likes. As a stream of requests,
which looks the same on the wire, it is read when the call is let in, and given up when it does not come in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from serving.errors import DeadlineExceeded, InvalidListing

T = TypeVar("T")


async def only(requests: AsyncIterator[T], *, within_s: float) -> T:
    """Read the one message of a call. Raises DeadlineExceeded, and InvalidListing when there is none."""
    try:
        async with asyncio.timeout(within_s):
            return await anext(requests)
    except TimeoutError as error:
        raise DeadlineExceeded(f"the message did not arrive within {within_s:g} s; nothing was recorded") from error
    except StopAsyncIteration as error:
        raise InvalidListing(()) from error


async def unless_idle(requests: AsyncIterator[T], *, idle_s: float) -> AsyncIterator[T]:
    """Pass on a stream of requests for as long as something comes. Raises DeadlineExceeded after so many seconds."""
    while True:
        try:
            async with asyncio.timeout(idle_s):
                request = await anext(requests)
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"nothing came for {idle_s:g} s; what was sent is answered, begin another stream for more"
            ) from error
        except StopAsyncIteration:
            return
        yield request
