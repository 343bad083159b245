"""Which tables keep price bands, and what is learnt from prices? Part of `index.store.tables`."""

from __future__ import annotations
