"""What does the public register take? The published rules of the DSA Transparency Database, field by field.

The source of every rule is digital-services-act/transparency-database@69e80a0: `StatementStoreRequest.php` (which
fields are required, and when), `Statement.php` (the codes), and `api-documentation.md` (formats and lengths). Only the
part of the codes that a marketplace's restrictions of listings use is known here; another code is refused.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from index.territories import regions

MOST_AT_ONCE = 100
"""Statements in one POST /api/v1/statements: api-documentation.md, "multiple statements"."""

YesNo = Literal["Yes", "No"]
# api-documentation.md, `decision_facts`, `illegal_content_*`, `incompatible_content_*`.
Ground = Annotated[str, Field(min_length=1, max_length=500)]
Explanation = Annotated[str, Field(min_length=1, max_length=2_000)]


class RegisterStatement(BaseModel):
    """One statement as it is sent to the register. Frozen; fields that are None are left out of what is sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # StatementStoreRequest: required, unique for the platform; api-documentation: ^[A-Za-z0-9-_]+$, at most 500.
    puid: Annotated[str, Field(pattern=r"^[A-Za-z0-9\-_]+$", min_length=1, max_length=500)]
    # Statement::CONTENT_TYPES; required, at least one.
    content_type: Annotated[
        tuple[Literal["CONTENT_TYPE_PRODUCT", "CONTENT_TYPE_IMAGE", "CONTENT_TYPE_TEXT"], ...], Field(min_length=1)
    ]
    # Required dates, YYYY-MM-DD; the platform launched in 2023 but content may be older: after 2000-01-01.
    content_date: Annotated[date, Field(gt=date(2000, 1, 1))]
    application_date: Annotated[date, Field(gt=date(2000, 1, 1))]
    # EuropeanCountriesService::EUROPEAN_COUNTRY_CODES: the EEA's.
    territorial_scope: Annotated[tuple[str, ...], Field(min_length=1)]
    # Statement::DECISION_VISIBILITIES; required without any other decision.
    decision_visibility: Annotated[
        tuple[Literal["DECISION_VISIBILITY_CONTENT_REMOVED", "DECISION_VISIBILITY_CONTENT_DISABLED"], ...],
        Field(min_length=1),
    ]
    end_date_visibility_restriction: date | None = None
    # Statement::DECISION_GROUNDS; what it requires is checked below.
    decision_ground: Literal["DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"]
    illegal_content_legal_ground: Ground | None = None
    illegal_content_explanation: Explanation | None = None
    incompatible_content_ground: Ground | None = None
    incompatible_content_explanation: Explanation | None = None
    incompatible_content_illegal: YesNo | None = None
    # Statement::STATEMENT_CATEGORIES and KEYWORDS.
    category: Literal[
        "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS",
        "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
        "STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS",
        "STATEMENT_CATEGORY_CONSUMER_INFORMATION",
    ]
    category_specification: tuple[
        Literal[
            "KEYWORD_TRADEMARK_INFRINGEMENT",
            "KEYWORD_COPYRIGHT_INFRINGEMENT",
            "KEYWORD_DESIGN_INFRINGEMENT",
            "KEYWORD_GEOGRAPHIC_INDICATIONS_INFRINGEMENT",
            "KEYWORD_PATENT_INFRINGEMENT",
            "KEYWORD_INAUTHENTIC_LISTINGS",
            "KEYWORD_INSUFFICIENT_INFORMATION_ON_TRADERS",
            "KEYWORD_NONCOMPLIANCE_PRICING",
        ],
        ...,
    ] = ()
    # api-documentation.md: at most 5,000 characters, "no personal data".
    decision_facts: Annotated[str, Field(min_length=1, max_length=5_000)]
    # Statement::SOURCE_TYPES; `source_identity` is never sent, for who gave notice may be a person.
    source_type: Literal[
        "SOURCE_ARTICLE_16", "SOURCE_TRUSTED_FLAGGER", "SOURCE_TYPE_OTHER_NOTIFICATION", "SOURCE_VOLUNTARY"
    ]
    automated_detection: YesNo
    automated_decision: Literal[
        "AUTOMATED_DECISION_FULLY", "AUTOMATED_DECISION_PARTIALLY", "AUTOMATED_DECISION_NOT_AUTOMATED"
    ]

    @model_validator(mode="after")
    def _check(self) -> RegisterStatement:
        unknown = sorted(set(self.territorial_scope) - set(regions()["EEA"]))
        if unknown:
            raise ValueError(f"territorial_scope names {', '.join(unknown)}, which the EEA does not have")
        illegal = (self.illegal_content_legal_ground, self.illegal_content_explanation)
        terms = (self.incompatible_content_ground, self.incompatible_content_explanation)
        # StatementStoreRequest: required_if and exclude_unless of the decision's ground.
        wanted, other = (
            (illegal, terms) if self.decision_ground == "DECISION_GROUND_ILLEGAL_CONTENT" else (terms, illegal)
        )
        if not all(wanted):
            raise ValueError(f"{self.decision_ground} needs its ground and its explanation")
        if any(other) or (wanted is illegal and self.incompatible_content_illegal):
            raise ValueError(f"{self.decision_ground} goes without the other ground's fields")
        end = self.end_date_visibility_restriction
        if end is not None and end < self.application_date:  # after_or_equal:application_date
            raise ValueError(f"the restriction ends on {end}, before it begins on {self.application_date}")
        return self


class RegisterBatch(BaseModel):
    """The body of one POST /api/v1/statements. Frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    statements: Annotated[tuple[RegisterStatement, ...], Field(max_length=MOST_AT_ONCE)]

    @model_validator(mode="after")
    def _check(self) -> RegisterBatch:
        puids = [one.puid for one in self.statements]
        if len(set(puids)) < len(puids):
            raise ValueError("two statements have the same puid")
        return self
