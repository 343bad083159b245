"""What lies in deploy/ fits the service: dashboards and rules name metrics that there are, each alert is explained."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.telemetry.metrics import METRICS, Kind

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
RULES = sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
# Of prometheus_client, for any process.
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
LABELS = {"instance", "job", "le"}


def samples() -> set[str]:
    """Name what Prometheus has of the table: a histogram is three."""
    names = set(PROCESS)
    for metric in METRICS:
        ends = ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",)
        names |= {metric.name + end for end in ends}
    return names


def _rules() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def _panels() -> Iterator[dict[str, Any]]:
    for path in DASHBOARDS:
        yield from json.loads(path.read_text(encoding="utf-8"))["panels"]


def expressions() -> list[str]:
    """Give every expression of rules and dashboards, with a range in the place of Grafana's."""
    of_panels = [target["expr"] for panel in _panels() for target in panel.get("targets", ())]
    return [str(rule["expr"]) for rule in _rules()] + [one.replace("$__rate_interval", "5m") for one in of_panels]


def test_metrics_that_are_asked_for_exist() -> None:
    """A dashboard or rule over a metric that nobody writes stays silent for good."""
    recorded = {rule["record"] for rule in _rules() if "record" in rule}
    known = samples() | recorded

    asked = {name for one in expressions() for name in re.findall(r"\b(?:touchstone|process)[_:][a-z0-9_:]+", one)}

    assert len(asked) > 30
    assert asked - known == set()


def test_labels_that_are_asked_for_exist() -> None:
    """A selector by a label that its metric has not finds nothing."""
    of_metric = {metric.name: set(metric.labels) for metric in METRICS}
    for one in expressions():
        for name, selector in re.findall(r"\b(touchstone_[a-z0-9_]+)\{([^}]*)\}", one):
            metric = name if name in of_metric else re.sub("_(bucket|sum|count)$", "", name)
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
            assert labels <= of_metric[metric] | LABELS, one


@pytest.mark.parametrize("expression", expressions())
def test_expression_is_promql(expression: str) -> None:
    """Prometheus and Grafana understand it: parsed by the grammar that Prometheus has."""
    parser = pytest.importorskip("promql_parser")

    parser.parse(expression)


def test_every_alert_says_what_to_do() -> None:
    """Each has a severity, waits or rests on rates over a window, and leads to its section on the operating page."""
    page = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    alerts = [rule for rule in _rules() if "alert" in rule]

    assert len(alerts) == len({rule["alert"] for rule in alerts}) > 15
    for rule in alerts:
        name = rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}, name
        assert "for" in rule or "ratio_rate" in rule["expr"], name
        assert rule["annotations"]["summary"], name
        assert rule["annotations"]["runbook"] == f"docs/operating.md#{name.lower()}"
        section = page.partition(f"### {name}\n")[2].partition("\n#")[0]
        assert len(section.strip()) > 30, f"docs/operating.md lacks ### {name}"
    assert set(re.findall(r"^### (Touchstone\w+)$", page, re.MULTILINE)) == {rule["alert"] for rule in alerts}


def test_dashboards_can_be_loaded() -> None:
    """Grafana needs a uid, ids that are told apart, places that do not overlap, and a data source for each target."""
    assert DASHBOARDS
    for path in DASHBOARDS:
        board = json.loads(path.read_text(encoding="utf-8"))
        assert board["uid"] == path.stem
        panels = board["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        variables = {one["name"] for one in board["templating"]["list"]}
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not taken & cells, panel["title"]
            assert place["x"] + place["w"] <= 24
            taken |= cells
            for target in panel.get("targets", ()):
                assert target["datasource"]["uid"] == "${datasource}"
                used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
                assert used <= variables, target["expr"]


def test_prometheus_and_grafana_find_their_files() -> None:
    """The scrape file names the folder of the rules, and the provisioned data source is Prometheus."""
    scraping = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    sources = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yaml").read_text(encoding="utf-8")
    )

    (rules,) = scraping["rule_files"]
    assert sorted((ROOT / "deploy/prometheus").glob(rules)) == RULES
    assert "touchstone" in [job["job_name"] for job in scraping["scrape_configs"]]
    assert [source["type"] for source in sources["datasources"]] == ["prometheus"]
