"""`touchstone learn`: learn from verdicts without a service, see what was learnt, and recompute a decision."""

from __future__ import annotations

import click

from index.calibration import Calibration
from serving.app import open_store
from serving.calibrating import CalibrationSource, recompute
from serving.cli.common import print_json, settings_of, wants_json
from serving.guarantee import CertificateSource, versions_in_use

_BRANDS_SHOWN = 10


@click.group()
def learn() -> None:
    """Learn from moderators' verdicts; a running service does so by itself."""


@learn.command()
@click.pass_context
def run(context: click.Context, /) -> None:
    """Learn from all verdicts on record: the calibration, and the bets against certificates."""
    with open_store(settings_of(context)) as store:
        reached = CalibrationSource(store, versions_in_use(store).fusion).open()
        CertificateSource(store).open()
    _show(context, reached.state, head=reached.state.number)


@learn.command()
@click.pass_context
def status(context: click.Context, /) -> None:
    """Show the calibration in use and how far behind the verdicts it is; learn nothing."""
    with open_store(settings_of(context)) as store:
        source = CalibrationSource(store, versions_in_use(store).fusion)
        newest = store.newest_calibration(source.fusion_version)
        state = Calibration() if newest is None else source.state_at(newest.version)
        head = store.verdict_head()
    _show(context, state, head=head)


@learn.command()
@click.argument("decision_id")
@click.pass_context
def verify(context: click.Context, /, decision_id: str) -> None:
    """Recompute the probability of DECISION_ID from the verdicts that its calibration had learnt from."""
    with open_store(settings_of(context)) as store:
        record = store.get_decision(decision_id)
        recorded, recomputed = recompute(CalibrationSource(store, ""), record)
    if wants_json(context):
        print_json({"decision_id": decision_id, "recorded": recorded, "recomputed": recomputed})
    else:
        click.echo(f"{decision_id}: recorded {recorded!r}, recomputed {recomputed!r}")
    if recorded != recomputed:
        context.exit(1)


def _show(context: click.Context, state: Calibration, *, head: int) -> None:
    offsets = sorted(state.brands.items(), key=lambda item: -abs(item[1].mean))
    if wants_json(context):
        print_json(
            {
                "calibration_version": state.version,
                "verdict_number": state.number,
                "verdict_head": head,
                "learnt": state.learnt,
                "bias": state.bias.mean,
                "slope": state.slope.mean,
                "brands": {name: weight.mean for name, weight in offsets},
            }
        )
        return
    click.echo(f"{state.version}: {state.learnt} verdicts learnt from, up to number {state.number} of {head}")
    click.echo(f"bias {state.bias.mean:+.3f}  slope {state.slope.mean:.3f}")
    for name, weight in offsets[:_BRANDS_SHOWN]:
        click.echo(f"{weight.mean:+.3f} +- {weight.precision**-0.5:.3f}  {name}")
