"""How are keypoints of pictures on record asked for while somebody waits for a decision? Within the guard's bounds."""

from __future__ import annotations

from collections.abc import Iterable

from serving.copying import DetailSource
from serving.outage.guard import StoreGuard
from vision.keypoints import LocalFeatures


class GuardedFeatures:
    """A `DetailSource` that does not wait for a store which is away. Both raise StoreAway then."""

    def __init__(self, source: DetailSource, guard: StoreGuard) -> None:
        self._source = source
        self._guard = guard

    def features_of(self, reference_ids: Iterable[str]) -> dict[str, LocalFeatures]:
        """Give the keypoints of those references that have some, by id."""
        wanted = list(reference_ids)
        return self._guard.ask(lambda: self._source.features_of(wanted)) if wanted else {}

    def removed_features(self, photos: Iterable[tuple[str, str]]) -> dict[tuple[str, str], LocalFeatures]:
        """Give the keypoints of those photos of removed listings that have some, by listing id and sha256."""
        wanted = list(photos)
        return self._guard.ask(lambda: self._source.removed_features(wanted)) if wanted else {}
