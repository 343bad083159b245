"""What does the fleet of docs/scale.md do when parts of it fail? Plays its incidents and prints a table.

python -m training.fleet.simulate                    # all incidents, a few minutes; the same numbers each time
python -m training.fleet.simulate --only zone,store  # some
python -m training.fleet.simulate --picture docs/scale.svg
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import click
import numpy as np
import simpy
from numpy.typing import NDArray

from training.fleet.incidents import INCIDENTS, Incident, play
from training.fleet.model import Fleet, Shape
from training.fleet.sizing import Costs, Demand

BEGINS_S = 30.0
WINDOW_S = 2.0
"""Recovery is looked for in windows of this length."""

_SHAPE, _COSTS, _DEMAND = Shape(), Costs(), Demand()

_WELL_AGAIN = 1.5
"""A window is well when nothing in it failed and its p99 is within this of the p99 before the incident."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What callers saw; `during` is from the incident's begin until it was over and the fleet well again."""

    name: str
    says: str
    listings: int
    before: tuple[float, float]  # p50, p99, seconds
    during: tuple[float, float]
    failed: float  # share of the listings that came during it
    kept: float  # share that was answered REVIEW, kept on a replica's disk
    tries: float  # a listing, over the whole run
    recovered_s: float  # from the incident's end until all is well again; NaN: not within the run
    recorded_s: float  # from the incident's end until all that was kept is on record
    came: NDArray[np.float64]
    took: NDArray[np.float64]


def simulate(
    incident: Incident,
    *,
    seed: int = 0,
    shape: Shape = _SHAPE,
    costs: Costs = _COSTS,
    demand: Demand = _DEMAND,
    after_s: float = 60.0,
) -> Outcome:
    """Play one incident in a busiest hour, from a fleet at rest; the same seed gives the same numbers."""
    env = simpy.Environment()
    fleet = Fleet(env, incident.shape(shape), costs, demand, incident.callers, Random(seed))  # noqa: S311
    ends = BEGINS_S + incident.lasts_s
    last = ends + after_s
    env.process(fleet.arrivals(last))
    env.process(play(fleet, incident, begins_s=BEGINS_S))
    env.run()
    order = np.argsort(fleet.told.came)
    came, took, kept = (np.array(told)[order] for told in (fleet.told.came, fleet.told.took, fleet.told.kept))
    before = took[(came >= BEGINS_S / 2) & (came < BEGINS_S)]
    usual = _quantiles(before)
    well = _well_from(came, took, ends, last, usual[1])
    within = (came >= BEGINS_S) & (came < (last if np.isnan(well) else max(well, ends)))
    meant = within if incident.lasts_s else came >= BEGINS_S
    during = took[meant]
    return Outcome(
        name=incident.name,
        says=incident.says,
        listings=len(came),
        before=usual,
        during=_quantiles(during),
        failed=float(np.isnan(during).mean()),
        kept=float((kept & ~np.isnan(took))[meant].mean()),
        tries=fleet.told.tries / len(came),
        recovered_s=well - ends,
        recorded_s=max(fleet.told.recorded - ends, 0.0),
        came=came,
        took=took,
    )


def _well_from(
    came: NDArray[np.float64], took: NDArray[np.float64], ends: float, last: float, usual_p99: float
) -> float:
    """Return when the last window that is not well ended; NaN when the run ends with one."""
    well = ends
    for start in np.arange(ends, last - WINDOW_S / 2, WINDOW_S):
        window = took[(came >= start) & (came < start + WINDOW_S)]
        if np.isnan(window).any() or _quantiles(window)[1] > _WELL_AGAIN * usual_p99:
            well = start + WINDOW_S
    return float("nan") if well >= last - WINDOW_S else float(well)


def _quantiles(took: NDArray[np.float64]) -> tuple[float, float]:
    answered = took[~np.isnan(took)]
    if not len(answered):
        return float("nan"), float("nan")
    p50, p99 = np.quantile(answered, [0.5, 0.99])
    return float(p50), float(p99)


def table(outcomes: list[Outcome]) -> str:
    """Draw the outcomes as docs/scale.md has them."""
    rows = [
        f"| {one.says} | {_ms(one.before)} | {_ms(one.during)} | {one.failed:.2%} | {one.kept:.2%} "
        f"| {one.tries:.2f} | {_recovered(one)} |"
        for one in outcomes
    ]
    columns = ("incident", "p50 / p99 before, ms", "during, ms", "failed during", "REVIEW, kept on disk")
    head = f"| {' | '.join((*columns, 'tries a listing', 'well again after'))} |"
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- | --- |", *rows])


def _ms(quantiles: tuple[float, float]) -> str:
    return " / ".join("-" if np.isnan(value) else f"{1e3 * value:.0f}" for value in quantiles)


def _recovered(one: Outcome) -> str:
    if np.isnan(one.recovered_s):
        return "not within the run"
    return f"{one.recovered_s:.0f} s" + (f"; all on record after {one.recorded_s:.1f} s" if one.recorded_s else "")


def draw(outcomes: list[Outcome], path: Path) -> None:
    """Draw p99 and the share that failed over time, an incident a panel, as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "touchstone"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(len(outcomes), 1, figsize=(7, 1.5 * len(outcomes)), squeeze=False)
    for panel, one in zip(panels[:, 0], outcomes, strict=True):
        edges = np.arange(0, one.came.max(), WINDOW_S)
        windows = [one.took[(one.came >= edge) & (one.came < edge + WINDOW_S)] for edge in edges]
        panel.plot(edges, [_quantiles(window)[1] for window in windows], color="black", label="p99, s")
        panel.fill_between(edges, [np.isnan(window).mean() for window in windows], color="tomato", label="share failed")
        panel.set_title(one.says, fontsize=8, loc="left")
        panel.set_ylim(0, 3.1)
    panels[0, 0].legend(fontsize=7, loc="upper right")
    panels[-1, 0].set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


@click.command()
@click.option("--only", help="Incidents by name, separated by commas; all by default.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw them into an SVG file.")
def main(only: str | None, seed: int, picture: Path | None) -> None:
    """Play the incidents of docs/scale.md."""
    names = only.split(",") if only else [one.name for one in INCIDENTS]
    unknown = set(names) - {one.name for one in INCIDENTS}
    if unknown:
        raise click.UsageError(f"no incident {sorted(unknown)}; there are {', '.join(one.name for one in INCIDENTS)}")
    outcomes = [simulate(one, seed=seed) for one in INCIDENTS if one.name in names]
    click.echo(table(outcomes))
    if picture is not None:
        draw(outcomes, picture)


if __name__ == "__main__":
    main()
