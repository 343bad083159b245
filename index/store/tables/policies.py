"""Which tables keep policies, their versions and what became of them? Part of `index.store.tables`."""

from __future__ import annotations
