"""Metrics are counted in a registry of their own, with few series, and a page that is always given."""

from __future__ import annotations

import subprocess
import sys
from urllib.request import urlopen

import prometheus_client
import pytest

from serving.errors import SettingsError
from serving.settings import Settings
from serving.telemetry.listener import check_metrics_listening, metrics_at
from serving.telemetry.meter import Meter
from serving.telemetry.metrics import (
    BRAND_DECISIONS,
    BUILD_INFO,
    FAULTS,
    METRICS,
    PROBABILITY,
    REFRESH_AGE,
    WORK,
    Fault,
)
from serving.telemetry.opening import open_telemetry
from serving.telemetry.telemetry import UNOBSERVED, Telemetry


def test_applications_count_for_themselves() -> None:
    """Two in one process do not share a series, and nothing is registered globally."""
    one, other = Meter(), Meter()

    one.add(FAULTS, Fault.STAGE, "verify")

    assert one.value("touchstone_faults_total", kind="stage", reason="verify") == 1
    assert other.value("touchstone_faults_total", kind="stage", reason="verify") is None
    assert not [name for name in prometheus_client.generate_latest().decode().split() if name.startswith("touchstone")]


def test_brands_beyond_the_limit_are_counted_together() -> None:
    """The hundred first have a series each; however many follow, there is one more."""
    meter = Meter()

    for number in range(250):
        meter.add(BRAND_DECISIONS, f"brand {number}", "REVIEW")
    meter.add(BRAND_DECISIONS, "brand 7", "REVIEW")

    lines = [
        line for line in meter.page().decode().splitlines() if line.startswith("touchstone_brand_decisions_total{")
    ]
    assert len(lines) == 101
    assert meter.value("touchstone_brand_decisions_total", brand="other", verdict="REVIEW") == 150
    assert meter.value("touchstone_brand_decisions_total", brand="brand 7", verdict="REVIEW") == 2


def test_gauge_that_cannot_be_read_hides_no_other() -> None:
    """The page is given all the same, and the fault is counted by the metric's name."""
    meter = Meter()
    meter.read(WORK, lambda: 1 // 0)
    meter.read(REFRESH_AGE, lambda: {"index": 2.5})

    page = meter.page().decode()

    assert 'touchstone_refresh_age_seconds{part="index"} 2.5' in page
    assert meter.value("touchstone_faults_total", kind="sampling", reason=WORK.name) == 1


def test_what_is_in_use_stands_once() -> None:
    """A new version takes the place of the old one: no series of it stays."""
    meter = Meter()
    versions = dict.fromkeys(BUILD_INFO.labels, "1")
    meter.info(BUILD_INFO, lambda: dict(versions))
    meter.page()
    versions["index"] = "2"

    page = meter.page().decode()

    assert page.count("touchstone_build_info{") == 1
    assert 'index="2"' in page


def test_probabilities_fall_into_the_bins_of_insight() -> None:
    """The histogram has the edges by which drift is told."""
    meter = Meter()

    meter.observe(PROBABILITY, 0.015)
    meter.observe(PROBABILITY, float("nan"))

    assert meter.value("touchstone_counterfeit_probability_bucket", le="0.01") == 0
    assert meter.value("touchstone_counterfeit_probability_bucket", le="0.02") == 1
    assert meter.value("touchstone_counterfeit_probability_count") == 1


def test_names_keep_to_the_rules_of_prometheus() -> None:
    """Counters end with _total, times with _seconds, sizes with _bytes; histograms have buckets that grow."""
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("touchstone_")
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert (metric.kind == "histogram") == bool(metric.buckets)
        assert list(metric.buckets) == sorted(set(metric.buckets))


def test_without_metrics_and_traces_nothing_is_made() -> None:
    """Neither library is imported, and every call returns at once."""
    code = (
        "import sys; from serving.telemetry.opening import open_telemetry; from serving.settings import Settings\n"
        "from serving.telemetry.telemetry import UNOBSERVED\n"
        "from serving.telemetry.metrics import Fault\n"
        "with open_telemetry(Settings()) as telemetry:\n"
        "    assert telemetry is UNOBSERVED\n"
        "    with telemetry.stage('verify'): telemetry.fault(Fault.STAGE, 'verify')\n"
        "print([name for name in sys.modules if name.startswith(('prometheus_client', 'opentelemetry'))])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
    assert Telemetry() == UNOBSERVED


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "192.0.2.7:9464", "[::]:9464", "metrics.example:9464"])
def test_public_address_is_refused_unless_told(listen: str) -> None:
    """Nobody signs in for metrics: other machines reach them only if a setting says so."""
    with pytest.raises(SettingsError, match="metrics_public"):
        check_metrics_listening(listen, Settings())

    check_metrics_listening(listen, Settings(metrics_public=True))
    check_metrics_listening(listen, Settings(allow_insecure_public=True))


@pytest.mark.parametrize("listen", ["127.0.0.1:9464", "[::1]:9464", "localhost:9464"])
def test_this_machine_may_always_scrape(listen: str) -> None:
    """Loopback needs no setting."""
    check_metrics_listening(listen, Settings())


def test_address_in_use_is_told_as_a_setting() -> None:
    """A second listener at the same port says what to choose; so does one that is no address."""
    with metrics_at("127.0.0.1:0", Meter()) as port:
        with pytest.raises(SettingsError, match="choose a free HOST:PORT"), metrics_at(f"127.0.0.1:{port}", Meter()):
            pass
        with urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
    with pytest.raises(SettingsError, match="choose a free HOST:PORT"), metrics_at("127.0.0.1:x", Meter()):
        pass


def test_endpoint_that_is_no_address_is_refused() -> None:
    """A collector is named by its scheme, too: it decides whether spans travel encrypted."""
    with pytest.raises(SettingsError, match="http://localhost:4317"), open_telemetry(Settings(trace_endpoint="x:4317")):
        pass
