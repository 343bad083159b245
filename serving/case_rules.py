"""By which rules of the operator's do people work on cases? `CaseRules`, read once from a YAML file.

docs/cases.md lists every rule; a test keeps it so.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from index.names import normalise_name
from index.territories import regions
from serving.errors import SettingsError

DEFAULT_RULES = Path(__file__).parent / "data" / "case_rules.yaml"

Weight = Annotated[float, Field(gt=0, le=1_000)]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z0-9_]+$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class CaseRules(BaseModel):
    """Everything an operator can set about cases. Frozen; see each field's description."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason_codes: Annotated[tuple[Code, ...], Field(min_length=1, description="codes with which cases are resolved")]
    report_codes: Annotated[tuple[Code, ...], Field(min_length=1, description="codes with which listings are reported")]
    brand_weights: Annotated[
        dict[str, Weight], Field(description="what a mistake about a brand weighs, by its name; 1 for the others")
    ] = {}
    random_share: Annotated[
        float, Field(ge=0, le=1, description="share of cases that take a random place in the queue")
    ] = 0.05
    second_review_harm: Annotated[
        float | None,
        Field(gt=0, description="expected harm from which a takedown needs a second person; null: none does"),
    ] = 8.0
    check_share: Annotated[
        float, Field(ge=0, le=1, description="share of claims of the next case that hand out a check; 0: none does")
    ] = 0.03
    check_undo_minutes: Annotated[
        float, Field(ge=0, description="minutes in which an answer to a check can be undone; then it is told")
    ] = 10.0
    statement_markets: Annotated[
        tuple[Country, ...],
        Field(
            default_factory=lambda: regions()["EEA"],
            description="markets whose law asks for a statement of reasons with a takedown",
        ),
    ]
    report_case_weight: Annotated[
        float, Field(ge=0, description="reliability of all who report a listing, from which it becomes a case")
    ] = 1.0
    reports_per_day: Annotated[int, Field(ge=1, description="reports that one reporter may make in 24 hours")] = 20
    report_due_hours: Annotated[float, Field(gt=0, description="hours in which a case that a report opens is due")] = (
        168.0
    )
    appeal_days: Annotated[
        int, Field(ge=1, description="days after a takedown in which it can be appealed against")
    ] = 184  # six months (Regulation (EU) 2022/2065, Article 20(1)) have up to 184 days
    appeal_due_days: Annotated[int, Field(ge=1, description="days in which an appeal must be decided")] = 14
    forward_days: Annotated[
        int, Field(ge=1, description="days in which a notice or a seller's statement is sent on, by the law of China")
    ] = 3
    notifier_answer_days: Annotated[
        int, Field(ge=15, description="days from its arrival in which the notifier must complain or sue (CN)")
    ] = 15
    evidence_days: Annotated[int, Field(ge=1, description="days for which an evidence package is kept")] = 1_096

    def brand_weight(self, name: str) -> float:
        """Return what a mistake about a brand weighs; names are compared as the registry compares them."""
        return self._weights.get(normalise_name(name), 1.0)

    def needs_statement(self, market: str) -> bool:
        """Tell whether a takedown on this market needs a statement of reasons; one that is not known might."""
        return not market or market in self.statement_markets

    @cached_property
    def _weights(self) -> dict[str, float]:
        return {normalise_name(name): weight for name, weight in self.brand_weights.items()}


def load_case_rules(path: Path | None = None) -> CaseRules:
    """Read the rules from a file; what it does not name is as in the file that ships.

    Raises:
        SettingsError: the file cannot be read, or a rule is unknown or out of range; it says which.

    """
    given = _read(DEFAULT_RULES) | ({} if path is None else _read(path))
    try:
        return CaseRules(**given)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['input']!r:.80}: {f['msg']}" for f in error.errors())
        raise SettingsError(f"{path}: {faults}. Rules are: {', '.join(CaseRules.model_fields)}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path} must be a mapping of rules, not {type(document).__name__}")
    return {str(name): value for name, value in document.items()}
