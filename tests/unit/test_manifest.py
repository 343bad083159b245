"""Listing and reference manifests: what a row holds, and what is said about a bad one."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CatalogueError
from index.manifest import ListingLabels, read_listings, read_references
from index.money import Money
from index.records import ReferenceKind
from vision.regions import Box


def write(folder: Path, *rows: object) -> Path:
    """Write one JSON line per row; a string is written as it stands."""
    path = folder / "rows.jsonl"
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_full_listing_row(tmp_path: Path) -> None:
    """Every field of the contract arrives, typed; unknown keys are ignored."""
    path = write(
        tmp_path,
        {
            "listing_id": "a1",
            "images": ["img/a1_0.jpg", "/elsewhere/b.jpg"],
            "title": "Schuhe „Größe 42“",
            "claimed_brand": "Nike",
            "category": "shoes > sports-shoes",
            "condition": "never worn, with tag",
            "price": {"amount": 49.90, "currency": "USD"},
            "unit_count": 2,
            "seller_id": "s9",
            "market": "DE",
            "colour_of_the_moon": "grey",
            "labels": {"brand": "Nike", "boxes": [[0.1, 0.2, 0.3, 0.4]], "price_anomalous": True, "kind": "fake"},
        },
    )

    (row,) = read_listings(path)

    assert row.where == f"{path}:1"
    assert row.images == (tmp_path / "img/a1_0.jpg", Path("/elsewhere/b.jpg"))
    assert (row.title, row.claimed_brand, row.seller_id, row.market) == ("Schuhe „Größe 42“", "Nike", "s9", "DE")
    assert row.price == Money(Decimal("49.9"), "USD")
    assert row.unit_price == Money(Decimal("24.95"), "USD")
    assert row.labels == ListingLabels(brand="Nike", boxes=(Box(0.1, 0.2, 0.3, 0.4),), price_anomalous=True)


def test_only_the_listing_id_is_required(tmp_path: Path) -> None:
    """A row with an id alone is a listing without anything; nulls count as missing; blank lines are skipped."""
    path = write(tmp_path, {"listing_id": "a1"}, "", {"listing_id": "a2", "price": None, "labels": {"brand": None}})

    first, second = read_listings(path)

    assert (first.images, first.price, first.unit_price, first.unit_count) == ((), None, None, 1)
    assert (second.where, second.labels) == (f"{path}:3", ListingLabels())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "not a line of JSON"),
        ('{"listing_id": "a", "price": {"amount": NaN, "currency": "USD"}}', "NaN is not a number"),
        ("[1]", "write one JSON object a line"),
        ({}, "listing_id: None is not allowed"),
        ({"listing_id": 7}, "listing_id: 7 is not allowed; give a string"),
        ({"listing_id": "a", "images": "a.jpg"}, "images: 'a.jpg' is not allowed; give a list"),
        ({"listing_id": "a", "images": [3]}, "images: .* a path"),
        ({"listing_id": "a", "price": 50}, "price: 50 is not allowed; give an object"),
        ({"listing_id": "a", "price": {"amount": -1, "currency": "USD"}}, "price: amount: -1 .* 0 or more"),
        ({"listing_id": "a", "price": {"amount": "5", "currency": "USD"}}, "price: amount: '5' is not allowed"),
        ({"listing_id": "a", "price": {"amount": 5, "currency": "BTC"}}, "price: currency: 'BTC' .* ISO 4217"),
        ({"listing_id": "a", "price": {"amount": 5}}, "price: currency: None is not allowed"),
        ({"listing_id": "a", "unit_count": 0}, "unit_count: 0 .* 1 or more"),
        ({"listing_id": "a", "unit_count": True}, "unit_count: True"),
        ({"listing_id": "a", "labels": {"boxes": [[0, 0, 2, 1]]}}, "labels: boxes: .* 0 <= x1 < x2 <= 1"),
        ({"listing_id": "a", "labels": {"boxes": [7]}}, "labels: boxes:"),
        ({"listing_id": "a", "labels": {"infringing": "yes"}}, "labels: infringing: 'yes' .* true or false"),
    ],
)
def test_a_bad_listing_row_names_file_line_and_remedy(tmp_path: Path, row: object, message: str) -> None:
    """Every fault is an error with file, line, field and what is allowed."""
    path = write(tmp_path, {"listing_id": "good"}, row)

    with pytest.raises(CatalogueError, match=message) as refused:
        list(read_listings(path))

    assert str(refused.value).startswith(f"{path}:2: ")


def test_good_rows_go_on_past_bad_ones(tmp_path: Path) -> None:
    """With `on_error` a bad row is reported and the rest is read."""
    path = write(tmp_path, {"listing_id": "a"}, "{", {"listing_id": "b"}, {"listing_id": ""})
    errors: list[CatalogueError] = []

    rows = list(read_listings(path, on_error=errors.append))

    assert [row.listing_id for row in rows] == ["a", "b"]
    assert [str(error).removeprefix(f"{path}:")[0] for error in errors] == ["2", "4"]


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    """A manifest that is not there is an error with or without `on_error`."""
    with pytest.raises(CatalogueError, match=r"nowhere\.jsonl: the manifest cannot be read"):
        list(read_listings(tmp_path / "nowhere.jsonl", on_error=print))


def test_references(tmp_path: Path) -> None:
    """A reference has brand, kind and image, and a box if only a part shows the brand."""
    path = write(
        tmp_path,
        {"brand": "Nike", "kind": "logo", "image": "refs/n.png"},
        {"brand": "Nike", "kind": "counterfeit", "image": "/f.png", "box": [0.1, 0.1, 0.9, 0.9], "subset": 1},
    )

    logo, fake = read_references(path)

    assert (logo.kind, logo.image, logo.box) == (ReferenceKind.LOGO, tmp_path / "refs/n.png", None)
    assert (fake.kind, fake.image, fake.box) == (ReferenceKind.COUNTERFEIT, Path("/f.png"), Box(0.1, 0.1, 0.9, 0.9))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"kind": "logo", "image": "n.png"}, "brand: None is not allowed"),
        ({"brand": "Nike", "kind": "badge", "image": "n.png"}, "kind: 'badge' .* logo, wordmark, pattern"),
        ({"brand": "Nike", "image": "n.png"}, "kind: None is not allowed; give one of logo"),
        ({"brand": "Nike", "kind": "logo"}, "image: None is not allowed"),
        ({"brand": "Nike", "kind": "logo", "image": "n.png", "box": [1]}, "box: .* 0 <= x1 < x2 <= 1"),
    ],
)
def test_a_bad_reference_row_names_file_line_and_remedy(tmp_path: Path, row: object, message: str) -> None:
    """Every fault of a reference is an error with file, line, field and what is allowed."""
    path = write(tmp_path, row)

    with pytest.raises(CatalogueError, match=message) as refused:
        list(read_references(path))

    assert str(refused.value).startswith(f"{path}:1: ")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_KEYS = ["listing_id", "images", "title", "price", "unit_count", "labels", "boxes", "amount", "currency"]


@given(row=st.dictionaries(st.sampled_from(_KEYS), _JSON | st.dictionaries(st.sampled_from(_KEYS), _JSON)))
def test_any_json_is_a_row_or_a_named_error(tmp_path_factory: pytest.TempPathFactory, row: dict[str, object]) -> None:
    """Whatever stands in the fields, the answer is a row or a CatalogueError, never another exception."""
    path = write(tmp_path_factory.mktemp("fuzz"), row)
    errors: list[CatalogueError] = []

    rows = list(read_listings(path, on_error=errors.append))

    assert len(rows) + len(errors) == 1


@given(line=st.binary(max_size=60).filter(lambda line: b"\n" not in line and line.strip() != b""))
def test_garbage_is_a_named_error(tmp_path_factory: pytest.TempPathFactory, line: bytes) -> None:
    """Bytes that are no listing are reported, not raised as something else."""
    path = tmp_path_factory.mktemp("fuzz") / "rows.jsonl"
    path.write_bytes(line)
    errors: list[CatalogueError] = []

    rows = list(read_listings(path, on_error=errors.append))

    assert rows == []
    assert len(errors) == 1
