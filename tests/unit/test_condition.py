"""The seller's words for the condition of goods, in five languages."""

from __future__ import annotations

import pytest

from index.condition import Condition, condition_words


@pytest.mark.parametrize(
    ("words", "condition"),
    [
        ("", "unknown"),
        ("as described", "unknown"),
        ("renewal", "unknown"),
        ("new", "new"),
        ("NEW_WITH_TAGS", "new"),
        ("https://schema.org/NewCondition", "new"),
        ("never worn, with tag", "new"),
        ("never used", "new"),
        ("Neu mit Etikett", "new"),
        ("nie getragen", "new"),
        ("neuf avec étiquette", "new"),
        ("jamais porté", "new"),
        ("nuevo", "new"),
        ("sin estrenar", "new"),
        ("全新未使用", "new"),
        ("like new", "like_new"),
        ("LIKE-NEW", "like_new"),
        ("used - like new", "like_new"),
        ("Gebraucht, wie neu", "like_new"),
        ("très bon état", "like_new"),
        ("como nuevo", "like_new"),
        ("几乎全新", "like_new"),
        ("used - good", "used"),
        ("used, bought new last year", "used"),
        ("not new", "used"),
        ("nicht neu", "used"),
        ("gebraucht", "used"),
        ("d'occasion", "used"),
        ("segunda mano", "used"),
        ("二手", "used"),
        ("refurbished", "refurbished"),
        ("generalüberholt", "refurbished"),
        ("remis à neuf", "refurbished"),
        ("reacondicionado", "refurbished"),
        ("官翻", "refurbished"),
        ("for parts or not working", "for_parts"),
        ("defekt, für Bastler", "for_parts"),
        ("pour pièces", "for_parts"),
        ("no funciona", "for_parts"),
        ("故障机", "for_parts"),
    ],
)
def test_words_state_a_condition(words: str, condition: str) -> None:
    """Sellers' own words come out as one of the six conditions."""
    assert condition_words().read(words) is Condition(condition)


def test_every_condition_has_a_usual_share_of_the_new_price() -> None:
    """The data file gives each condition a share; new is the yardstick, and the worse the cheaper."""
    shares = condition_words().shares

    assert set(shares) == set(Condition)
    assert shares[Condition.NEW] == 1.0
    assert shares[Condition.LIKE_NEW] > shares[Condition.USED] > shares[Condition.FOR_PARTS] > 0.0
