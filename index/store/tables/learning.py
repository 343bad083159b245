"""Which tables keep what is learnt from verdicts: calibrations, certificates, audits? Part of `index.store.tables`."""

from __future__ import annotations
