"""Two judges of a product's leaf are heard together: who knows it counts, and where both know, both count."""

from __future__ import annotations

import numpy as np
import pytest

from vision.category_pool import Pool

BOOTS, LOAFERS, OXFORDS, CLOGS, BELTS, HATS = (
    "shoes > boots",
    "shoes > loafers",
    "shoes > oxfords",
    "shoes > clogs",
    "worn > belts",
    "worn > hats",
)
POOL = Pool(known=(BOOTS, HATS, LOAFERS, OXFORDS), general=(BELTS, BOOTS, CLOGS, LOAFERS))
PROBE = (0.5, 0.1, 0.3, 0.1)
GENERAL = (0.1, 0.05, 0.2, 0.55)


def _scores(degree: float, probe: tuple[float, ...] = PROBE, general: tuple[float, ...] = GENERAL) -> dict[str, float]:
    rows = [np.array([row], np.float32) for row in (probe, general)]
    found = POOL.scores(np.array([degree], np.float32), *rows)[0]
    return dict(zip(POOL.leaves, found.tolist(), strict=True))


@pytest.mark.parametrize("degree", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_what_each_says_of_a_group_is_mixed(degree: float) -> None:
    """The group's probability, and that of leaves that one judge alone has heard of, is the mixture by familiarity."""
    found = _scores(degree)

    shoes = sum(found[leaf] for leaf in (BOOTS, LOAFERS, OXFORDS, CLOGS))
    assert shoes == pytest.approx(degree * 0.9 + (1 - degree) * 0.8, abs=1e-5)
    assert found[CLOGS] == pytest.approx((1 - degree) * 0.2, abs=1e-5)
    assert found[BELTS] == pytest.approx((1 - degree) * 0.1, abs=1e-5)
    assert found[HATS] == pytest.approx(degree * 0.1, abs=1e-5)


def test_within_a_group_both_must_agree() -> None:
    """At the limit of familiarity a leaf that only one judge likes loses to one that both find likely."""
    found = _scores(0.5)

    assert found[LOAFERS] > found[BOOTS]
    assert found[LOAFERS] / found[BOOTS] == pytest.approx(0.3 / 0.5 * _opinion(0.55) / _opinion(0.05), rel=1e-3)


def _opinion(probability: float) -> float:
    """Share of three leaves, oxfords with the mean of the two that general knowledge has a class for, plus doubt."""
    return probability / (0.05 + 0.55 + 0.3) + 0.1 / 3


def test_a_familiar_product_is_the_probes_alone() -> None:
    """General knowledge does not disturb what the probe was taught."""
    found = _scores(1.0)

    assert [found[leaf] for leaf in (BOOTS, LOAFERS, OXFORDS)] == pytest.approx([0.5, 0.3, 0.1], abs=1e-5)


def test_a_leaf_without_a_class_is_not_ruled_out() -> None:
    """Of oxfords general knowledge has not heard: the probe may name them against its loafers."""
    found = _scores(0.5, probe=(0.02, 0.0, 0.08, 0.9))

    assert max(found, key=found.__getitem__) == OXFORDS


def test_without_general_knowledge_the_probe_counts_as_far_as_it_goes() -> None:
    """Nothing is shared out among leaves that nobody knows."""
    pool = Pool(known=(BOOTS, LOAFERS))

    found = pool.scores(np.array([0.25], np.float32), np.array([[0.8, 0.2]], np.float32), np.zeros((1, 0), np.float32))

    assert found == pytest.approx(np.array([[0.2, 0.05]]), abs=1e-6)
