"""Who changed the registry finds the change on any replica at once, by the version of the index that it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from index.records import ReferenceKind
from index.store.feed import ChangeFeed
from serving.app import open_application
from serving.read_your_write import MIN_INDEX_VERSION
from serving.registry import add_references
from tests.integration.support import (
    AURORA,
    PATIENCE_S,
    Service,
    Start,
    draw,
    duplicates,
    fill,
    listing,
    new_reference,
    settings_at,
    violated_fields,
)
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb

NEW = 77


@pytest.fixture
def slow_replica(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Serve from a replica that looks for changes once an hour, and is told of none."""
    monkeypatch.setattr(ChangeFeed, "announce", lambda _feed, _topics=None: None)
    settings = settings_at(tmp_path / "data").model_copy(update={"refresh_s": 3600.0})
    with open_application(settings) as application:
        fill(application)
        with start(application) as running:
            add_references(
                application.store, application.embedder, [new_reference(AURORA, ReferenceKind.COUNTERFEIT, NEW)]
            )
            yield running


def screen(service: Service, *versions: str) -> decision_pb2.Decision:
    """Screen the new reference's own picture, asking for versions of the index."""
    metadata = tuple((MIN_INDEX_VERSION, version) for version in versions)
    request = pb.ScreenListingRequest(listing=listing(draw(NEW)))
    return service.stub.ScreenListing(request, metadata=metadata, timeout=PATIENCE_S).decision


@pytest.mark.parametrize("form", ["{}", "{}-0123abcd"])
def test_a_replica_that_is_behind_catches_up_first(slow_replica: Service, form: str) -> None:
    """With the version of the write the very next call finds what was written; without, it may not yet."""
    before = screen(slow_replica)
    version = form.format(slow_replica.application.store.version())

    after = screen(slow_replica, version)

    assert not duplicates(before)
    assert [copy.exact for copy in duplicates(after)] == [True]
    assert after.index_version.partition("-")[0] == version.partition("-")[0]


def test_streams_and_image_search_catch_up_too(slow_replica: Service) -> None:
    """Whatever the rpc, the version asked for is reached before it begins."""
    metadata = ((MIN_INDEX_VERSION, str(slow_replica.application.store.version())),)
    images = listing(draw(NEW)).images

    found = slow_replica.stub.SearchImage(pb.SearchImageRequest(image=images[0]), metadata=metadata, timeout=PATIENCE_S)
    requests = iter([pb.ScreenListingsRequest(listing=listing(draw(NEW)))])
    (answer,) = slow_replica.stub.ScreenListings(requests, metadata=metadata, timeout=PATIENCE_S)

    assert found.index_version == answer.decision.index_version
    assert duplicates(answer.decision)


def test_a_version_that_the_store_has_not_reached_is_unavailable(slow_replica: Service) -> None:
    """A replica whose store lags behind says how far it is, and the caller may ask another one."""
    reached = slow_replica.application.store.version()

    with pytest.raises(grpc.RpcError) as refused:
        screen(slow_replica, str(reached + 1))

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert f"asks for version {reached + 1}, but this replica's store is at {reached}" in str(refused.value.details())


@pytest.mark.parametrize("version", ["", "newest", "-1", "4.2", "0x10"])
def test_what_is_no_version_is_refused(slow_replica: Service, version: str) -> None:
    """A misread version is the caller's mistake, not a licence to answer from any index."""
    with pytest.raises(grpc.RpcError) as refused:
        screen(slow_replica, version)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violated_fields(refused.value) == {MIN_INDEX_VERSION}
