"""How many anomalous prices does the price model find, and how many honest ones does it accuse? `eval prices`.

The model is fitted on the history and asked about every case, as the pipeline asks it; nothing else decides. With
`leave_cell_out` the history's rows of a case's own brand x category are left out when it is asked: how well does the
model know a cell that it never saw? The model is then really fitted again for every cell among the cases, rather than
the effect of the cell dropped: the cell's rows also move the levels above it, and a fit takes 0.1 s per 10,000 rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from index.errors import CatalogueError, PriceDataError
from index.manifest import ListingRow, read_listings
from index.market_records import PriceObservation
from index.money import ExchangeRates, Money
from index.price_history import read_history
from index.price_query import PriceQuery
from index.price_rows import level_keys
from index.pricing import PriceModel
from training.metrics import precision_at_fpr, roc_auc, tpr_at_fpr
from training.predictions import Prediction, write_predictions
from training.progress import Progress, silent

# The score of a price that the model has no evidence on: a log-likelihood ratio of 0 favours neither side.
_NO_EVIDENCE = 0.0


@dataclass(frozen=True, kw_only=True)
class PriceReport:
    """The figures of `eval prices`; the names are those that it prints."""

    n: int
    auc: float
    tpr_at_fpr_0_5pct: float
    precision_at_fpr_1pct: float


@dataclass(frozen=True)
class _Case:
    listing_id: str
    query: PriceQuery
    anomalous: bool

    @property
    def cell(self) -> str:
        return level_keys(self.query.brand, self.query.category)[-1]


def evaluate_prices(
    cases: Path,
    history: Path,
    *,
    leave_cell_out: bool = False,
    predictions: Path | None = None,
    rates: ExchangeRates | None = None,
    progress: Progress | None = None,
) -> PriceReport:
    """Score the labelled `cases` with a model fitted on `history`; both are listing manifests.

    Writes one line per case to `predictions`. Calls `progress(done, total)` after each case.

    Raises:
        PriceDataError: a file or a row cannot be used, or the cases are not both anomalous and honest ones.

    """
    labelled = list(_read_cases(cases))
    if len({case.anomalous for case in labelled}) < 2:
        raise PriceDataError(f"{cases}: needs cases with labels.price_anomalous true and cases with false.")
    observations = list(read_history(history))
    scores = _score(
        labelled,
        observations,
        rates=rates or ExchangeRates.load(),
        leave_cell_out=leave_cell_out,
        progress=progress or silent,
    )
    if predictions is not None:
        write_predictions(
            predictions,
            (
                Prediction(listing_id=case.listing_id, answer=None, score=score)
                for case, score in zip(labelled, scores, strict=True)
            ),
        )
    return report(scores, [case.anomalous for case in labelled])


def report(scores: Sequence[float], anomalous: Sequence[bool]) -> PriceReport:
    """Return the figures for scores and labels in the same order."""
    return PriceReport(
        n=len(scores),
        auc=roc_auc(scores, anomalous),
        tpr_at_fpr_0_5pct=tpr_at_fpr(scores, anomalous, fpr=0.005),
        precision_at_fpr_1pct=precision_at_fpr(scores, anomalous, fpr=0.01),
    )


def _score(
    cases: Sequence[_Case],
    observations: Sequence[PriceObservation],
    *,
    rates: ExchangeRates,
    leave_cell_out: bool,
    progress: Progress,
) -> list[float]:
    """Return one score per case, in order; the cases of one cell share a model."""
    by_cell: dict[str, list[int]] = {}
    for place, case in enumerate(cases):
        by_cell.setdefault(case.cell if leave_cell_out else "", []).append(place)
    scores = [_NO_EVIDENCE] * len(cases)
    done = 0
    for cell, places in by_cell.items():
        model = PriceModel.fit((row for row in observations if not cell or _cell(row) != cell), rates)
        for place, assessment in zip(places, model.score_batch([cases[place].query for place in places]), strict=True):
            scores[place] = assessment.score if assessment else _NO_EVIDENCE
            done += 1
            progress(done, len(cases))
    return scores


def _cell(row: PriceObservation) -> str:
    return level_keys(row.brand, row.category)[-1]


def _read_cases(path: Path) -> Iterator[_Case]:
    try:
        for row in read_listings(path):
            query = PriceQuery(
                brand=row.claimed_brand, category=row.category, condition=row.condition, unit_price=_price(row)
            )
            if row.labels.price_anomalous is None:
                raise PriceDataError(f"{row.where}: labels.price_anomalous: a case needs it; give true or false.")
            yield _Case(row.listing_id, query, row.labels.price_anomalous)
    except CatalogueError as error:
        raise PriceDataError(str(error)) from error


def _price(row: ListingRow) -> Money:
    if row.unit_price is None:
        raise PriceDataError(f"{row.where}: price: a case needs a price; give amount and currency.")
    return row.unit_price
