"""Streams go on for as long as their caller is let in; and whatever was not admitted has no caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from serving.access.admission import Gate, while_admitted
from serving.access.caller import CALLING, NOBODY, Caller, Trust
from serving.access.identity import ByCertificate, ByProxy, Call, Identity
from serving.errors import Unauthenticated

ANN = Identity(Caller("ann"), "token")


@dataclass
class Door:
    """Lets somebody in `times` times more."""

    times: int
    asked: int = 0

    async def admit(self) -> Identity:
        """Let in, or refuse."""
        self.asked += 1
        if self.asked > self.times:
            raise Unauthenticated("no more")
        return ANN


@dataclass
class Stream:
    """Gives numbers, one each time the loop turns, or none at all; says whether it was closed."""

    endless: bool
    closed: bool = False

    async def items(self) -> AsyncIterator[int]:
        """Give 0, 1, 2, ..."""
        number = 0
        try:
            while self.endless or number < 3:
                await asyncio.sleep(0)
                yield number
                number += 1
        finally:
            self.closed = True

    async def silence(self) -> AsyncIterator[int]:
        """Give nothing, for ever."""
        try:
            await asyncio.Event().wait()
            yield 0
        finally:
            self.closed = True


async def collect(items: AsyncIterator[int]) -> list[int]:
    """Read to the end."""
    return [item async for item in items]


def test_a_stream_that_ends_is_passed_on_whole() -> None:
    """Every item in its order, and the stream is closed."""
    stream, door = Stream(endless=False), Door(0)

    assert asyncio.run(collect(while_admitted(stream.items(), ANN, door.admit, again_s=60))) == [0, 1, 2]
    assert stream.closed
    assert door.asked == 0


@pytest.mark.parametrize("busy", [True, False])
def test_a_stream_ends_when_its_caller_is_no_longer_let_in(*, busy: bool) -> None:
    """Whether it never pauses or never speaks, the caller is asked about again, and the stream ends and is closed."""
    stream, door = Stream(endless=True), Door(2)
    items = stream.items() if busy else stream.silence()

    with pytest.raises(Unauthenticated):
        asyncio.run(collect(while_admitted(items, ANN, door.admit, again_s=0.02)))
    assert stream.closed
    assert door.asked == 3


def test_a_stream_is_asked_about_when_its_credential_ends() -> None:
    """That moment does not wait for the interval."""
    stream, door = Stream(endless=True), Door(0)
    ends = Identity(Caller("ann"), "token", datetime.now(UTC) + timedelta(milliseconds=50))

    with pytest.raises(Unauthenticated):
        asyncio.run(collect(while_admitted(stream.silence(), ends, door.admit, again_s=3_600)))
    assert stream.closed


def test_what_fails_in_the_stream_reaches_its_reader() -> None:
    """An error of the stream itself is raised as it is."""

    async def failing() -> AsyncIterator[int]:
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(collect(while_admitted(failing(), ANN, Door(0).admit, again_s=60)))


def test_a_reader_who_leaves_closes_the_stream() -> None:
    """Closing what was passed on closes what it came from."""
    stream = Stream(endless=True)

    async def leave() -> int:
        passed = while_admitted(stream.items(), ANN, Door(0).admit, again_s=60)
        first = await anext(passed)
        await passed.aclose()  # type: ignore[attr-defined]
        return first

    assert asyncio.run(leave()) == 0
    assert stream.closed


def test_nobody_is_calling_before_anybody_was_admitted() -> None:
    """Without admission there is no caller to fall back on: asking for one fails."""
    with pytest.raises(LookupError):
        CALLING.get()


def test_certificates_are_known_by_any_of_their_names() -> None:
    """The first name that is listed counts; without one the call carries no credential."""
    uploads = Caller("uploads", frozenset({"pipeline"}))
    by_certificate = ByCertificate({"upload.example": uploads})

    def who(*names: str) -> Identity | None:
        return asyncio.run(by_certificate.identify(Call([], "ipv4:10.0.0.1:5", names)))

    assert who("other.example", "upload.example") == Identity(uploads, "certificate of upload.example")
    assert who() is who("other.example") is None


def test_a_proxy_that_says_nothing_is_no_credential() -> None:
    """Metadata without a name and roles, and a name from where it is not believed, say nothing."""
    name = ("touchstone-actor", "ann")

    def who(metadata: list[tuple[str, str]], peer: str) -> Identity | None:
        return asyncio.run(ByProxy("loopback").identify(Call(metadata, peer)))

    assert who([name, ("touchstone-brands", "acme")], "ipv4:127.0.0.1:5") == Identity(
        Caller("ann", brands=frozenset({"acme"})), "proxy"
    )
    assert who([name], "ipv4:10.0.0.1:5") is who([], "ipv4:127.0.0.1:5") is None
    assert Caller() == NOBODY


@pytest.mark.parametrize("limit", [("touchstone-roles", "auditor"), ("touchstone-brands", "acme")])
@pytest.mark.parametrize("trust", ["loopback", "never"])
def test_who_is_held_to_roles_that_are_not_believed_is_refused(limit: tuple[str, str], trust: Trust) -> None:
    """Without the setting `access` whoever has no roles may do everything: ignoring some would give more, not less."""
    gate = Gate([ByProxy(trust)], required=False)
    rpc = "touchstone.moderation.v1.BrandService/CreateBrand"

    def admitted(*metadata: tuple[str, str]) -> Identity:
        return asyncio.run(gate.admit(rpc, Call(metadata, "ipv4:10.0.0.1:5")))

    with pytest.raises(Unauthenticated, match=f"{limit[0]} is not believed from here.*trust_caller"):
        admitted(("touchstone-actor", "ann"), limit)
    assert admitted(("touchstone-actor", "ann")).caller == NOBODY


@pytest.mark.parametrize(
    "sent",
    ["Basic abc", "Bearer", "Bearer ", "abc", ""],
)
def test_an_authorization_of_another_kind_is_refused(sent: str) -> None:
    """Whatever is no bearer token is a credential that does not hold, not a missing one."""
    with pytest.raises(Unauthenticated):
        _ = Call([("authorization", sent)], "").bearer
    assert Call([("authorization", "bearer  abc ")], "").bearer == "abc"
    assert Call([], "").bearer == ""


def test_who_must_sign_in_needs_a_name() -> None:
    """Roles without a name, as a careless proxy may send them, let nobody in where credentials are required."""
    nameless = Call([("touchstone-roles", "admin")], "ipv4:127.0.0.1:5")
    rpc = "touchstone.moderation.v1.CaseService/ListCases"

    with pytest.raises(Unauthenticated):
        asyncio.run(Gate([ByProxy("loopback")], required=True).admit(rpc, nameless))
    assert asyncio.run(Gate([ByProxy("loopback")], required=False).admit(rpc, nameless)).caller.roles == {"admin"}
