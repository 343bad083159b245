"""Does one caller get more than its share? Rates by kind of call, quotas by day, open calls, late messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from google.rpc.error_details_pb2 import QuotaFailure, RetryInfo

from serving.access.caller import NOBODY, Caller
from serving.access.permissions import RPCS, Permission
from serving.errors import DeadlineExceeded, InvalidListing, Overloaded
from serving.limits.callers import CallerLimits
from serving.limits.classes import CLASSES, RpcClass
from serving.limits.messages import only, unless_idle
from serving.limits.quotas import DailyQuota
from serving.limits.settings import LimitSettings
from serving.status import to_status

ANN, BOB = Caller("ann"), Caller("bob")
SERVICE = "touchstone.moderation.v1"
GET, SCREEN = f"{SERVICE}.ModerationService/GetDecision", f"{SERVICE}.ModerationService/ScreenListing"
STREAM = f"{SERVICE}.ModerationService/ScreenListings"


def refused(limits: CallerLimits, rpc: str, caller: Caller) -> Overloaded:
    """Make a call that must be refused."""
    with pytest.raises(Overloaded) as caught, limits.calling(rpc, caller):
        pass
    return caught.value


def call(limits: CallerLimits, rpc: str, caller: Caller, times: int = 1) -> None:
    """Make calls that must be let in."""
    for _ in range(times):
        with limits.calling(rpc, caller):
            pass


def test_every_rpc_has_a_class_but_those_of_strangers_and_probes() -> None:
    """An rpc that is added later is counted without anybody thinking of it."""
    uncounted = {rpc for rpc, kind in CLASSES.items() if kind is None}

    assert CLASSES.keys() == RPCS.keys()
    assert uncounted == {rpc for rpc in RPCS if RPCS[rpc] in (Permission.PUBLIC, Permission.PROBE)}
    assert CLASSES[SCREEN] is RpcClass.SCREENS
    assert CLASSES[f"{SERVICE}.BrandService/UploadReference"] is RpcClass.UPLOADS
    assert CLASSES[f"{SERVICE}.CaseService/ResolveCase"] is RpcClass.CHANGES
    assert CLASSES[GET] is RpcClass.READS


def test_rates_are_each_callers_own_and_each_class_has_its_own() -> None:
    """Ann's questions use up neither Bob's nor her own screenings; the refusal says when, and which limit."""
    limits = CallerLimits(LimitSettings(reads_per_minute=3, screens_per_minute=2))

    call(limits, GET, ANN, 3)
    told = refused(limits, GET, ANN)
    call(limits, GET, BOB, 3)
    call(limits, SCREEN, ANN, 2)
    status = to_status(refused(limits, SCREEN, ANN))

    assert told.limit == "reads_per_minute"
    assert 0 < told.retry_after_s <= 20
    retry, quota = RetryInfo(), QuotaFailure()
    assert status.details[0].Unpack(retry)
    assert status.details[1].Unpack(quota)
    assert 0 < retry.retry_delay.ToSeconds() <= 30
    assert quota.violations[0].description == "screens_per_minute"


def test_who_has_no_name_is_not_counted() -> None:
    """Where nobody signs in, everybody is the same nobody, and may do everything."""
    limits = CallerLimits(LimitSettings(reads_per_minute=1, images_per_day=1))

    call(limits, GET, NOBODY, 50)
    limits.screens(NOBODY, images=64)


def test_items_of_a_stream_are_charged_one_by_one() -> None:
    """Opening a stream costs nothing, each listing in it as much as a call."""
    limits = CallerLimits(LimitSettings(screens_per_minute=2))

    call(limits, STREAM, ANN, 10)
    limits.screens(ANN, images=1, streamed=True)
    limits.screens(ANN, images=1, streamed=True)
    with pytest.raises(Overloaded):
        limits.screens(ANN, images=1, streamed=True)


def test_open_calls_are_bounded_for_one_and_for_all() -> None:
    """One caller's open calls leave room for the others, all of them together leave the service alive."""
    limits = CallerLimits(LimitSettings(max_calls=3, max_calls_each=2))

    with limits.calling(STREAM, ANN), limits.calling(STREAM, ANN):
        assert refused(limits, GET, ANN).limit == "max_calls_each"
        with limits.calling(STREAM, BOB):
            assert refused(limits, GET, NOBODY).limit == ""
    call(limits, GET, ANN)


def test_a_quota_counts_until_midnight_and_takes_all_or_nothing() -> None:
    """What is over the quota is refused whole, until the next day of UTC begins."""
    now = [datetime(2026, 3, 1, 23, 0, tzinfo=UTC)]
    quota = DailyQuota("photos", setting="images_per_day", most=10, clock=lambda: now[0])

    quota.take("ann", 8)
    with pytest.raises(Overloaded, match="8 photos") as caught:
        quota.take("ann", 3)
    quota.take("ann", 2)
    quota.take("bob", 10)
    now[0] += timedelta(hours=1)
    quota.take("ann", 10)

    assert caught.value.retry_after_s == 3600.0
    assert caught.value.limit == "images_per_day"


def test_quotas_of_uploads_and_scans() -> None:
    """Each kind has its own."""
    limits = CallerLimits(LimitSettings(uploads_per_day=1, scans_per_day=1, uploads_per_minute=0))

    limits.uploads(ANN)
    limits.starts_scan(ANN)
    for again in (limits.uploads, limits.starts_scan):
        with pytest.raises(Overloaded, match="a day are allowed"):
            again(ANN)


async def test_a_stream_ends_when_nothing_comes() -> None:
    """What came is passed on; then the wait is bounded, and an ended stream simply ends."""

    async def slow(*items: int, ends: bool) -> AsyncIterator[int]:
        for item in items:
            yield item
        if not ends:
            await asyncio.Event().wait()

    assert [item async for item in unless_idle(slow(1, 2, ends=True), idle_s=20)] == [1, 2]
    stalling = unless_idle(slow(1, 2, ends=False), idle_s=0.01)
    assert [await anext(stalling), await anext(stalling)] == [1, 2]
    with pytest.raises(DeadlineExceeded, match=r"nothing came for 0\.01 s"):
        await anext(stalling)
    with pytest.raises(DeadlineExceeded, match="did not arrive"):
        await only(slow(ends=False), within_s=0.01)
    with pytest.raises(InvalidListing):
        await only(slow(ends=True), within_s=20)
