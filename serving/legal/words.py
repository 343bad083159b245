"""In which words is a seller told? The sentences of one language, from `serving/legal/data/statement.*.yaml`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

from serving.told_findings import Finding

LANGUAGES = ("en", "zh")
_DATA = Path(__file__).parent / "data"

Sentences = dict[str, str]


class Words(BaseModel):
    """The sentences of a language; names in braces are filled in. Frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    listing: str
    headings: Sentences
    restriction: Sentences
    source: Sentences
    source_cn: Annotated[Sentences, Field(description="where the notice was given under the law of China")]
    automation: Sentences
    ground: Sentences
    explanations: Annotated[Sentences, Field(description="why, by the code of `serving.legal.grounds`")]
    redress: dict[str, tuple[str, ...]]
    findings: Sentences
    nothing: str

    def sentence(self, finding: Finding) -> str:
        """Tell of a finding."""
        return self.findings[finding.code].format(**finding.values)


@functools.cache
def words_in(language: str) -> Words:
    """Return the sentences of one of `LANGUAGES`."""
    return Words(**yaml.safe_load((_DATA / f"statement.{language}.yaml").read_text(encoding="utf-8")))
