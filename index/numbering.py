"""Which vector comes first? One numbering of all vectors of a catalogue, the order of a catalogue built anew.

References of equal similarity are told in the order of their ids, whichever layer they stand in, so that two replicas
answer alike although one has read a snapshot that the other has not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from index.layer import Layer
from index.vectors import PADDING_ID, Hits

# Vectors of later layers that fit between two of the base: a hundred times more than a catalogue gathers there.
_BITS = 24


class Numbering:
    """Numbers for the vectors of layers, int64 and not negative. Immutable."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        base, later = layers[0].columns, [layer.columns for layer in layers[1:]]
        layer = np.repeat(np.arange(1, len(layers)), [len(columns.vectors) for columns in later])
        row = [np.arange(len(columns.vectors)) for columns in later]
        ids = [columns.reference_ids[columns.vector_references] for columns in later if len(columns.vectors)]
        self._layers, self._rows = layer, np.concatenate([np.empty(0, dtype=np.int64), *row])
        order = np.argsort(np.concatenate(ids), kind="stable") if ids else np.empty(0, dtype=np.int64)
        if len(order) >= 1 << _BITS:
            raise ValueError(f"{len(order)} vectors were added since the last snapshot: build a new one")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        before = np.searchsorted(base.reference_ids, np.concatenate(ids)) if ids else place
        first = np.searchsorted(base.vector_references, before.astype(np.int32))
        self._order = order
        self._numbers = (first.astype(np.int64) << _BITS) + 1 + place
        self._starts = np.cumsum([0, *(len(columns.vectors) for columns in later)])

    def of(self, layer: int, hits: Hits) -> Hits:
        """Turn the vector rows of a layer's hits into numbers."""
        if layer == 0:
            numbers = (hits.ids + 1) << _BITS
        elif len(self._numbers):
            numbers = self._numbers[self._starts[layer - 1] + hits.ids]
        else:
            numbers = hits.ids
        return Hits(np.where(hits.ids == PADDING_ID, PADDING_ID, numbers), hits.scores)

    def places(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Turn numbers back into layers and their vector rows, both int64 [n]."""
        later = numbers & ((1 << _BITS) - 1)
        layers, rows = np.zeros_like(numbers), (numbers >> _BITS) - 1
        above = np.flatnonzero(later)
        at = self._order[later[above] - 1]
        layers[above], rows[above] = self._layers[at], self._rows[at]
        return layers, rows
