"""May a listing be taken down without a person? The question that a policy's TAKEDOWN must pass.

A rule may ask for TAKEDOWN; the gate answers whether a certificate allows it. `serving.policy` asks, and what certifies
is behind `TakedownGate`. A copy of a known counterfeit needs no certificate, where a rule of the operator's names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from serving.domain import Reason
from serving.facts import Facts


@dataclass(frozen=True, kw_only=True)
class Permit:
    """The gate's answer: `certificate_id` names what allows the takedown, `refusal` says why there is none."""

    certificate_id: str = ""
    refusal: Reason | None = None


class TakedownGate(Protocol):
    """What decides on takedowns without a person."""

    def permit(self, facts: Facts) -> Permit:
        """Answer for one listing; `facts` hold `fused.probability` and `brand.name`."""


class Uncertified:
    """The gate of an installation without certificates: nothing passes."""

    def permit(self, facts: Facts) -> Permit:  # noqa: ARG002 - the signature is the gate's
        """Refuse."""
        return Permit(refusal=Reason("TAKEDOWN_NOT_CERTIFIED", "No certificate allows a takedown without a person"))


UNCERTIFIED = Uncertified()
