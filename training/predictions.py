"""What did the system answer to each query? The predictions file that every evaluation writes and anyone can score.

JSON Lines with `listing_id`, `answer` (a brand or category, null for none), `score` and `box` ([x1, y1, x2, y2],
relative 0..1, or null). Scores are written in full, so that scoring the file again gives the same figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from index.errors import CatalogueError
from vision.regions import Box


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One answer. `score` is finite; `box` says where in the image."""

    listing_id: str
    answer: str | None
    score: float
    box: Box | None = None


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write one line per prediction, in order, over what is at `path`."""
    with path.open("w", encoding="utf-8") as lines:
        for prediction in predictions:
            box = prediction.box
            row = {
                "listing_id": prediction.listing_id,
                "answer": prediction.answer,
                "score": prediction.score,
                "box": [box.x1, box.y1, box.x2, box.y2] if box else None,
            }
            lines.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def read_predictions(path: Path) -> Iterator[Prediction]:
    """Yield the predictions at `path`, in order. Raises CatalogueError that names file and line."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                yield Prediction(
                    listing_id=row["listing_id"],
                    answer=row["answer"],
                    score=float(row["score"]),
                    box=Box(*row["box"]) if row["box"] else None,
                )
            except (KeyError, TypeError, ValueError) as error:
                raise CatalogueError(
                    f"{path}:{number}: not a prediction ({error!r}); a line has listing_id, answer, score and box."
                ) from error
