"""On which law does a takedown rest that names none, and how does the public register call it? By its reason code.

The laws are those that marks, works, designs and fair trading are protected by in the EU and in China; elsewhere the
statement speaks of the law of the market. The operator's counsel should look at them: docs/evidence.md says so. The
register's names are those of digital-services-act/transparency-database@69e80a0, app/Models/Statement.php.
"""

from __future__ import annotations

from dataclasses import dataclass

from index.territories import regions

_IP, _SCAMS = "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS", "STATEMENT_CATEGORY_SCAMS_AND_FRAUD"


@dataclass(frozen=True, kw_only=True)
class LegalGround:
    """What a kind of takedown rests on: in the EU, in China and elsewhere; and the register's category and keywords."""

    code: str
    europe: str
    china: str
    elsewhere: str
    category: str = _IP
    keywords: tuple[str, ...] = ()

    def law(self, market: str) -> str:
        """Name the law of a market, an ISO 3166-1 alpha-2 code; of an unknown one the EU's, which may apply."""
        if market == "CN":
            return self.china
        return self.europe if not market or market in regions()["EEA"] else self.elsewhere


TRADE_MARK = LegalGround(
    code="TRADEMARK_INFRINGEMENT",
    europe="Regulation (EU) 2017/1001, Article 9",
    china="Trademark Law of the People's Republic of China, Article 57",
    elsewhere="The trade mark law of the market on which the goods are offered",
    keywords=("KEYWORD_TRADEMARK_INFRINGEMENT",),
)
GROUNDS = (
    TRADE_MARK,
    LegalGround(
        code="COPYRIGHT_INFRINGEMENT",
        europe="Directive 2001/29/EC, Article 4",
        china="Copyright Law of the People's Republic of China, Article 53",
        elsewhere="The copyright law of the market on which the goods are offered",
        keywords=("KEYWORD_COPYRIGHT_INFRINGEMENT",),
    ),
    LegalGround(
        code="DESIGN_INFRINGEMENT",
        europe="Regulation (EC) No 6/2002, Article 19",
        china="Patent Law of the People's Republic of China, Article 11",
        elsewhere="The design law of the market on which the goods are offered",
        keywords=("KEYWORD_DESIGN_INFRINGEMENT",),
    ),
    LegalGround(
        code="MISLEADING_LISTING",
        europe="Directive 2005/29/EC, Article 6",
        china="E-commerce Law of the People's Republic of China, Article 17",
        elsewhere="The law against misleading commercial practices of the market on which the goods are offered",
        category=_SCAMS,
        keywords=("KEYWORD_INAUTHENTIC_LISTINGS",),
    ),
)
_BY_CODE = {ground.code: ground for ground in GROUNDS}


def ground_of(reason_code: str) -> LegalGround:
    """Return what a takedown with this reason rests on; counterfeits, and the operator's own codes, on trade marks."""
    return _BY_CODE.get(reason_code, TRADE_MARK)
