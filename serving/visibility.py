"""May the caller know of this brand or reference? One that it may not see is answered as one that is not there."""

from __future__ import annotations

from index.errors import NotFound
from index.records import Brand, Reference
from index.store.store import Store
from serving.access.caller import Caller


def visible_brand(store: Store, brand_id: str, caller: Caller) -> Brand:
    """Return a brand. Raises NotFound, in the same words when it is there and the caller may not see it."""
    try:
        if caller.sees(brand_id):
            return store.get_brand(brand_id)
    except NotFound:
        pass
    raise NotFound(f"There is no brand with the id {brand_id!r}; check the id.")


def visible_reference(store: Store, reference_id: str, caller: Caller) -> Reference:
    """Return a reference. Raises NotFound, in the same words when it is there and the caller may not see it."""
    try:
        reference = store.get_reference(reference_id)
        if caller.sees(reference.brand_id):
            return reference
    except NotFound:
        pass
    raise NotFound(f"There is no reference with the id {reference_id!r}; check the id.")
