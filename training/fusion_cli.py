"""`touchstone fusion`: fit the model that puts all evidence together, and look at one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from index.errors import NotFound
from index.store.store import Store
from serving.app import open_store
from serving.cli.common import counting, print_json, settings_of, wants_json
from serving.facts import Facts
from serving.facts_record import unpack
from serving.features import FEATURES
from serving.fusion_file import FusionArtefact, read_artefact, save_artefact
from vision.errors import ModelError

_file = click.Path(dir_okay=False, path_type=Path)


@click.group()
def fusion() -> None:
    """Fit the model that puts all evidence together, or look at one."""


@fusion.command()
@click.argument("facts", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=_file, help="Write the model here; name it in the setting `fusion`.")
@click.option(
    "--prevalence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of counterfeits among the listings to be screened.  [default: their share among the labels]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed deals the same folds.")
@click.option("--from-verdicts", is_flag=True, help="Fit on people's verdicts on record, too.")
@click.pass_context
def fit(context: click.Context, /, facts: tuple[Path, ...], out: Path, *, from_verdicts: bool, **options: Any) -> None:
    """Fit on labelled FACTS (JSON Lines, as `eval decisions --facts` writes them) and write the model to --out."""
    from training.fit_fusion import fit_fusion
    from training.labelled_facts import facts_of_verdicts, read_labelled_facts

    if not (facts or from_verdicts):
        raise click.UsageError("there is nothing to fit on: name files of FACTS, or give --from-verdicts")
    rows = [row for path in facts for row in read_labelled_facts(path)]
    if from_verdicts:
        with open_store(settings_of(context)) as store:
            rows += facts_of_verdicts(store, lambda decision_id: _stored_facts(store, decision_id))
    with counting("folds") as progress:
        artefact = fit_fusion(rows, progress=progress, **options)
    save_artefact(out, artefact)
    _print(context, artefact)


@fusion.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def show(context: click.Context, /, model: Path) -> None:
    """Show the MODEL: what each feature weighs, how it did when it was fitted, whether its probabilities came true."""
    try:
        _print(context, read_artefact(model))
    except ModelError as error:
        raise click.UsageError(str(error)) from error


def _stored_facts(store: Store, decision_id: str) -> Facts | None:
    try:
        return unpack(store.facts_of(decision_id))
    except NotFound:
        return None


def _print(context: click.Context, artefact: FusionArtefact) -> None:
    if wants_json(context):
        print_json(_document(artefact))
        return
    console = Console()
    training = artefact.training
    console.print(f"{artefact.model.version}: {training['labels']} labels, {training['infringing']} counterfeit")
    weights = zip(FEATURES, artefact.model.weights, strict=True)
    console.print(_table(("feature", "weight", "prior"), ((f.code, f"{w:.2f}", f"{f.weight}") for f, w in weights)))
    if artefact.model.trees is not None:
        console.print(f"and monotone trees with {len(artefact.model.trees.values)} leaves")
    names = ("log_loss", "brier", "ece", "auc", "recall_at_precision_99_5pct")
    figures = ((kind, *(f"{found[name]:.4f}" for name in names)) for kind, found in training["figures"].items())
    console.print(_table(("out of fold", *names), figures))
    bins = ((str(one["n"]), f"{one['said']:.4f}", f"{one['true']:.4f}") for one in training["reliability"])
    console.print(_table(("listings", "said on average", "came true"), bins))


def _document(artefact: FusionArtefact) -> Mapping[str, Any]:
    model = artefact.model
    return {
        "version": model.version,
        "bias": model.bias,
        "weights": {feature.code: weight for feature, weight in zip(FEATURES, model.weights, strict=True)},
        "leaves": 0 if model.trees is None else len(model.trees.values),
        "calibration": {"slope": model.calibration.slope, "shift": model.calibration.shift},
        "training": artefact.training,
    }


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    table = Table(*heads)
    for row in rows:
        table.add_row(*row)
    return table
