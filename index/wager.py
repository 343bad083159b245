"""Does the world still keep the promise of a certificate? A bet against it: the kill switch on audited takedowns.

Five gamblers start with a wealth of 1 and bet on every audited takedown that it is wrong, each with a stake of its own;
at the promised share of errors none of the bets can be expected to gain. So the mean wealth exceeds 20 with a chance of
at most 1/20, ever, however long and however often one looks (Ville's inequality): an e-process, see Waudby-Smith and
Ramdas, 2024, "Estimating means of bounded random variables by betting". Small stakes find a small excess over many
audits, large ones a gross excess at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

STAKES = (0.5, 1.0, 3.0, 9.0, 30.0)
DEMOTE_AT = 20.0


@dataclass(frozen=True, kw_only=True)
class Wager:
    """How the bet stands after `verified` audits, `errors` of them wrong takedowns; `wealth` is the gamblers' mean.

    A wager that reached DEMOTE_AT is over: what came later does not take the alarm back.
    """

    verified: int = 0
    errors: int = 0
    wealth: float = 1.0

    @property
    def alarmed(self) -> bool:
        """Whether the promise is refuted."""
        return self.wealth >= DEMOTE_AT


def wager(wrong: Iterable[bool], *, allowed: float) -> Wager:
    """Bet on audited takedowns in their order; `allowed` is the promised share of errors, 1 - target."""
    wealths = [1.0] * len(STAKES)
    standing = Wager()
    for verified, is_wrong in enumerate(wrong, start=1):
        gain = float(is_wrong) - allowed
        wealths = [wealth * (1.0 + stake * gain) for wealth, stake in zip(wealths, STAKES, strict=True)]
        errors = standing.errors + is_wrong
        standing = Wager(verified=verified, errors=errors, wealth=sum(wealths) / len(wealths))
        if standing.alarmed:
            break
    return standing
