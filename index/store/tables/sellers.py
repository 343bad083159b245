"""Which tables keep who sellers are, and the rings that they form? Part of `index.store.tables`."""

from __future__ import annotations
