"""`touchstone prices`: bands, what is usual, and drift, from files to output; and what screening learns from."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from index.records import Brand
from index.store.store import Store
from tests.integration.support import Touchstone

pytestmark = pytest.mark.usefixtures("acts_are_entered")

START = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Name a data folder whose store knows the brand Aurora."""
    folder = tmp_path / "data"
    folder.mkdir()
    with Store.open(folder / "touchstone.db") as store:
        store.put_brands([Brand(brand_id="aurora", name="Aurora")])
    return folder


def history(path: Path, *, factor_after: float, count: int = 300) -> Path:
    """Write dated prices around 100, those of the second half times a factor."""
    chance = random.Random(5)
    rows = [
        {
            "listing_id": f"p{number}",
            "claimed_brand": "Aurora",
            "category": "shoes > sneakers",
            "condition": "new",
            "price": {
                "amount": round(100 * chance.uniform(0.8, 1.25) * (factor_after if number >= count // 2 else 1.0), 2),
                "currency": "USD",
            },
            "observe_time": (START + timedelta(hours=number)).isoformat(),
        }
        for number in range(count)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_drift_is_alarmed_with_brand_and_day(data: Path, tmp_path: Path, touchstone: Touchstone) -> None:
    """Prices that halve raise an alarm that names brand, direction and day, and exit code 3; steady ones raise none."""
    touchstone("--data-dir", data, "prices", "import", history(tmp_path / "h.jsonl", factor_after=0.5))

    found = touchstone("--data-dir", data, "--json", "prices", "drift")

    assert found.code == 3
    (alarm,) = json.loads(found.stdout)
    assert (alarm["brand"], alarm["what"], alarm["direction"]) == ("aurora", "prices", "lower")
    assert abs(datetime.fromisoformat(alarm["since"]) - (START + timedelta(hours=150))) < timedelta(hours=10)


def test_steady_prices_raise_no_alarm(data: Path, tmp_path: Path, touchstone: Touchstone) -> None:
    """Without a change there is no alarm, and the command ends well."""
    touchstone("--data-dir", data, "prices", "import", history(tmp_path / "h.jsonl", factor_after=1.0))

    found = touchstone("--data-dir", data, "prices", "drift")

    assert (found.code, found.stdout.strip()) == (0, "0 alarms")


def test_show_has_quantiles_windows_and_bands(data: Path, tmp_path: Path, touchstone: Touchstone) -> None:
    """A brand's prices come with their quantiles, the expected price, the windows and the owner's band."""
    bands = tmp_path / "bands.yaml"
    bands.write_text("- {brand: Aurora, category: shoes > sneakers, low: 80, high: 130, currency: USD}\n")
    touchstone("--data-dir", data, "prices", "import", history(tmp_path / "h.jsonl", factor_after=1.0))

    set_ = touchstone("--data-dir", data, "--json", "prices", "bands", bands)
    shown = touchstone("--data-dir", data, "--json", "prices", "show", "aurora", "--category", "Shoes > Sneakers")
    table = touchstone("--data-dir", data, "prices", "show", "aurora")

    assert json.loads(set_.stdout) == {"brands": 1, "price_bands": 1}
    (cell,) = json.loads(shown.stdout)["cells"]
    assert cell["quantiles"]["count"] == 300
    assert 90 < cell["quantiles"]["quantiles"][3]["value"] < 110
    assert cell["bands"][0]["low"]["currency"] == "USD"
    assert [window["name"] for window in json.loads(shown.stdout)["windows"]] == ["long-term", "recent", "today"]
    assert "80 - 130 USD" in table.stdout


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{brand: Nobody, low: 1, high: 2, currency: USD}", "no brand 'Nobody'"),
        ("{brand: Aurora, low: 3, high: 2, currency: USD}", "0 < low <= high"),
        ("{brand: Aurora, low: 1, high: 2, currency: XXX}", "ISO 4217"),
        ("{brand: Aurora, low: cheap, high: 2, currency: USD}", "are numbers"),
        ("{brand: Aurora, low: 1, high: 2, currency: USD, market: Germany}", "alpha-2"),
        ("{brand: Aurora, high: 2, currency: USD}", "has brand, low, high and currency"),
    ],
)
def test_faulty_bands_are_refused(data: Path, tmp_path: Path, touchstone: Touchstone, entry: str, says: str) -> None:
    """A wrong band is refused with file, place and what is allowed, and none of the file is set."""
    bands = tmp_path / "bands.yaml"
    bands.write_text(f"- {{brand: Aurora, low: 1, high: 2, currency: USD}}\n- {entry}\n")

    refused = touchstone("--data-dir", data, "prices", "bands", bands)

    assert refused.code == 2
    assert says in refused.stderr
    with Store.open(data / "touchstone.db") as store:
        assert store.all_price_bands() == ()


def test_an_unknown_brand_has_nothing_to_show(data: Path, touchstone: Touchstone) -> None:
    """A brand without prices and bands is named, with the way to bring some in."""
    shown = touchstone("--data-dir", data, "prices", "show", "Nobody")

    assert shown.code == 2
    assert "touchstone prices import" in shown.stderr
