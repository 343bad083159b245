"""What do two judges say together of a product? One knows few leaves well, the other most leaves roughly.

The probe of a category head (`vision.category_head`) tells the leaves apart that it was fitted on; general knowledge
(`vision.category_general`) has heard of many more. The more familiar the product, the more counts the probe. Which
group of leaves it is (shoes, clothes) is a mixture of what both say. Which leaf of the group it is, of those that the
probe knows, both say at once, so their probabilities multiply (a logarithmic opinion pool: Genest and Zidek, 1986):
seen from its side, a shoe that general knowledge takes for a loafer is no boot, whatever the probe was shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

# Share of a group that general knowledge leaves to be spread evenly over its leaves: it has no veto.
_DOUBT = 0.1
# A probe that knows a single leaf of a group cannot tell its leaves apart.
_FEWEST = 2


@dataclass(frozen=True, eq=False)
class Pool:
    """The leaves, "top > middle > leaf", that the probe and that general knowledge know, in the order of their scores.

    A `Pool` without general knowledge passes on what the probe says.
    """

    known: tuple[str, ...]
    general: tuple[str, ...] = ()

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """All leaves, in order."""
        return tuple(sorted({*self.known, *self.general}))

    def scores(
        self, degrees: NDArray[np.float32], known: NDArray[np.float32], general: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Give the probability of each leaf: float32 [n, leaves].

        `degrees` says how familiar each product is, 0..1, [n]; `known` [n, known] and `general` [n, general] are what
        the judges say. What is missing from a row's sum of 1 is the probability of something that neither knows.
        """
        share = degrees[:, np.newaxis].astype(np.float64)
        probe, wide = np.zeros((2, len(degrees), len(self.leaves)))
        probe[:, self._places[0]], wide[:, self._places[1]] = known, general
        scores = share * probe + (1 - share) * wide
        for within, taught, named in self._groups:
            scores[:, within] = _in_group(share, probe[:, within], wide[:, within], taught, named)
        return scores.astype(np.float32)

    @cached_property
    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where among all leaves those of the probe and those of general knowledge stand."""
        place = {leaf: column for column, leaf in enumerate(self.leaves)}
        known, general = (np.array([place[leaf] for leaf in own], np.int64) for own in (self.known, self.general))
        return known, general

    @cached_property
    def _groups(self) -> list[tuple[list[int], NDArray[np.bool_], NDArray[np.bool_]]]:
        """The groups in which both have a say: columns of its leaves, which the probe and which the other knows."""
        columns: dict[str, list[int]] = {}
        for column, leaf in enumerate(self.leaves):
            columns.setdefault(leaf.rpartition(" > ")[0], []).append(column)
        found = []
        for group, within in columns.items():
            taught = np.array([self.leaves[column] in self.known for column in within])
            named = np.array([self.leaves[column] in self.general for column in within])
            if group and taught.sum() >= _FEWEST and (taught & named).any():
                found.append((within, taught, named))
        return found


def _in_group(
    share: NDArray[np.float64],
    probe: NDArray[np.float64],
    wide: NDArray[np.float64],
    taught: NDArray[np.bool_],
    named: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Pool what the judges say of one group's leaves, both [n, leaves]."""
    scores = (1 - share) * wide  # right for leaves that the probe was never shown
    whole = (share * probe + (1 - share) * wide).sum(axis=1, keepdims=True)
    left = whole - scores[:, ~taught].sum(axis=1, keepdims=True)
    # Of a leaf that no class means general knowledge says neither yes nor no.
    opinion = np.where(named, wide, wide[:, taught & named].mean(axis=1, keepdims=True))[:, taught]
    opinion = opinion / np.maximum(opinion.sum(axis=1, keepdims=True), 1e-12) + _DOUBT / taught.sum()
    # Full weight up to the limit of familiarity, where `share` is a half; the more familiar, the less.
    weighed = (probe[:, taught] + 1e-12) * opinion ** np.minimum(1, 2 * (1 - share))
    scores[:, taught] = left * weighed / weighed.sum(axis=1, keepdims=True)
    return scores
