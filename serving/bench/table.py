"""How is a run read? One table for people: what was measured, and the ratios with the bars that they are held to."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from serving.bench.figures import LOAD, Figures, Ratio

_NOT_MEASURED = "-"
_SHOWN_MS = 0.5


def tables(figures: Figures) -> Iterator[Table]:
    """Make the tables of a run."""
    yield _measured(figures)
    if figures.search:
        yield _searched(figures)
    if figures.stages_ms:
        yield _staged(figures)
    yield _judged(figures.ratios())


def lines_of(figures: Figures) -> Iterator[tuple[str, str]]:
    """Say each figure with its unit; "-" where it was not measured."""
    of = figures.document()
    path = f" ({of['forward_path']})" if of["forward_path"] else ""
    loaded = f"service at {LOAD:.0%} of that"
    yield "device", figures.device
    yield "model", figures.model
    yield "matrix product, float32, peak", _said(of["gemm_peak_gflops"], ",.0f", "GFLOP/s")
    yield "model, one photo with its regions", _said(of["model_gflop_per_image"], ".2f", "GFLOP")
    yield f"forward alone{path}", _said(of["forward_img_s"], ".1f", "images/s")
    yield "forward of 16 photos", _said(of["forward_batch_16_ms"], ",.0f", "ms")
    yield "plain float32 eager forward", _said(of["eager_img_s"], ".1f", "images/s")
    yield "least cosine between the two", _said(of["least_cosine"], ".6f", "")
    yield "naive pipeline", _said(of["naive_img_s"], ".1f", "images/s")
    yield "service, saturated", _said(of["service_img_s"], ".1f", "images/s")
    yield f"{loaded}, p50", _said(of["p50_ms"], ",.0f", "ms")
    yield f"{loaded}, p99", _said(of["p99_ms"], ",.0f", "ms")
    yield "requests that failed", _said(of["failed"], "d", "")
    yield "service, peak memory", _said(of["memory_mib"], ",.0f", "MiB")
    yield "decode", _said(of["decode_img_s"], ".0f", "images/s")
    yield "scan", _said(of["scan_listings_s"], ".1f", "listings/s")


def _measured(figures: Figures) -> Table:
    table = Table("measured", "", title=f"medians of {figures.repeats}", title_justify="left")
    table.columns[1].justify = "right"
    for name, value in lines_of(figures):
        table.add_row(name, value)
    return table


def _searched(figures: Figures) -> Table:
    table = Table("references", "regions/s", "recall@10", "MiB", "a decision, p50 ms", "of it search")
    for column in table.columns:
        column.justify = "right"
    for size, one in sorted(figures.search.items()):
        table.add_row(
            f"{size:,}",
            f"{one.qps:,.0f}",
            f"{one.recall_at_10:.3f}",
            f"{one.bytes / 2**20:,.0f}",
            f"{one.decision_ms:,.0f}",
            f"{one.share:.1%}",
        )
    return table


def _staged(figures: Figures) -> Table:
    table = Table("stage of a decision by itself", "p50 ms")
    table.columns[1].justify = "right"
    for stage, ms in sorted(figures.stages_ms.items(), key=lambda item: -item[1]):
        if ms >= _SHOWN_MS:
            table.add_row(stage, f"{ms:,.1f}")
    return table


def _judged(ratios: tuple[Ratio, ...]) -> Table:
    table = Table("ratio", "measured", "asked", "aim", "")
    for each in ratios:
        sign = "<=" if each.at_most else ">="
        verdict = {None: "", True: "[green]ok[/]", False: "[red]short[/]"}[each.reached]
        asked, aim = f"{sign} {each.bar:.2f}", f"{sign} {each.aim:.2f}"
        table.add_row(each.words, _said(each.value, ".2f", ""), asked, aim, verdict)
    return table


def _said(value: float | None, shape: str, unit: str) -> str:
    return _NOT_MEASURED if value is None else f"{value:{shape}} {unit}".strip()
