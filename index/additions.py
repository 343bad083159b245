"""What has changed in the store since a catalogue was read? The change log is tailed, and what it names read again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from index.columns import ReferenceSource
from index.decision_records import RemovedImage
from index.records import Change, ChangeKind, ReferenceState
from index.usable import Embedded


@dataclass(frozen=True, eq=False, kw_only=True)
class Changed:
    """What changed up to the store's `version`, as it is now.

    A reference that is not active any more is None; a listing whose photos were forgotten has none. `brand_version` is
    that of the last change of a brand, 0 when there was none.
    """

    version: int
    references: Mapping[str, Embedded | None]
    photos: Mapping[str, tuple[RemovedImage, ...]]
    names: Mapping[str, str]
    brand_version: int


@dataclass(frozen=True, eq=False)
class Additions:
    """The active references and the removed listings' photos that a catalogue's last layer holds. Immutable."""

    references: Mapping[str, Embedded] = field(default_factory=dict)
    photos: Mapping[str, tuple[RemovedImage, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count references and photos."""
        return len(self.references) + sum(map(len, self.photos.values()))

    def replaced(self, changed: Changed) -> Additions:
        """Put what changed in the place of what was."""
        references = {**self.references, **changed.references}
        photos = {**self.photos, **changed.photos}
        return Additions(
            {name: one for name, one in references.items() if one is not None},
            {name: images for name, images in photos.items() if images},
        )


def read_changes(
    source: ReferenceSource, *, after: int, until: int, fingerprint: str, brands: Collection[str]
) -> Changed | None:
    """Read what changed after one version of the store, until another; None when the log does not tell all of it.

    `brands` are the ids of those whose names are known. What is written meanwhile may be read already; it is read again
    with its own change.
    """
    log: list[Change] = []
    while after < until:
        page = source.changes_after(after)
        if not page:
            return None
        log += page
        after = page[-1].version
    references: dict[str, Embedded | None] = dict.fromkeys(_subjects(log, ChangeKind.REFERENCE))
    photos: dict[str, tuple[RemovedImage, ...]] = dict.fromkeys(_subjects(log, ChangeKind.REMOVED_LISTING), ())
    for reference, embeddings in source.references_by_id(references, fingerprint):
        if reference.state is ReferenceState.ACTIVE:
            references[reference.reference_id] = (reference, embeddings)
    for image in source.removed_images_of(photos):
        photos[image.listing_id] += (image,)
    # Last, so that the brand of each reference is there.
    named = {one[0].brand_id for one in references.values() if one is not None} - set(brands)
    names = source.brand_names_of(named | set(_subjects(log, ChangeKind.BRAND)))
    brand_version = max((change.version for change in log if change.kind is ChangeKind.BRAND), default=0)
    return Changed(version=after, references=references, photos=photos, names=names, brand_version=brand_version)


def _subjects(log: Collection[Change], kind: ChangeKind) -> list[str]:
    return list(dict.fromkeys(change.subject_id for change in log if change.kind is kind))
