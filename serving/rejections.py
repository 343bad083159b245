"""Was this picture turned down before? The very file is refused for good; a copy of it is for a person to look at.

Without this, a picture that a person rejected would come in again with one byte changed, and be in force at once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from index.records import Reference, ReferenceState
from index.store.reference_life import ReferenceFilter
from index.store.store import Store
from serving.scoping import Assessment

ALIKE = 0.95
"""From this cosine on two pictures of a brand count as copies (`touchstone-s`, 60 product photos and 60 of shelves).

JPEG of quality 90 left 0.985 and more, of quality 50 0.967 and more for nine in ten, a crop by 2% 0.974; two different
photos reached 0.90 at most.
"""

_MOST = 1_000
_REJECTED = (ReferenceState.REJECTED,)


def unless_rejected_before(
    found: Assessment, reference: Reference, vectors: NDArray[np.float32], *, store: Store, fingerprint: str
) -> Assessment:
    """Quarantine what would be active but is a copy of one of its brand's newest 1,000 rejected references.

    vectors: the reference's views, float32 [n, dim] unit rows of the model `fingerprint`.
    """
    if found.state is not ReferenceState.ACTIVE:
        return found
    with store.reading():
        for rejected in store.list_references(
            ReferenceFilter(brand_id=reference.brand_id, states=_REJECTED), limit=_MOST
        ):
            views = [view.vector for view in store.embeddings_of(rejected.reference_id, fingerprint)]
            if views and float(np.max(vectors @ np.stack(views).T)) >= ALIKE:
                why = f": {rejected.state_reason}" if rejected.state_reason else "."
                reason = f"It looks like {rejected.reference_id}, which was rejected{why}"
                return replace(found, state=ReferenceState.QUARANTINED, reason=reason)
    return found
