"""In which words are buyers and reporters answered? Sentences by a stable id, in English and Chinese.

They tell what the brand says and what happens to a report, never what the service thinks of a listing or of goods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from touchstone.moderation.v1 import buyer_service_pb2 as pb

ENGLISH = "en"
T = TypeVar("T")

WORDS: dict[str, dict[str, str]] = {
    "SELLER_AUTHORIZED": {
        "en": "The brand says that this seller is authorised to sell its goods.",
        "zh": "品牌方表示，该卖家获授权销售其商品。",
    },
    "SELLER_NOT_NAMED": {
        "en": "The brand has named its sellers for this market, and this seller is not among them. "
        "That alone does not say anything about the goods: they may be resold lawfully.",
        "zh": "品牌方已公布其在该市场的卖家，该卖家不在其中。仅此一点并不能说明商品有问题：商品可能是合法转售的。",
    },
    "SELLER_BRAND_HAS_NOT_SAID": {
        "en": "The brand has not said whether this seller is authorised. Nothing follows from that.",
        "zh": "品牌方未说明该卖家是否获得授权。不能由此得出任何结论。",
    },
    "SERIAL_HAS_FORMAT": {
        "en": "This number has the brand's format. Numbers can be copied: it does not show where the goods come from.",
        "zh": "该编号符合品牌的格式。编号可以被复制：这并不能说明商品的来源。",
    },
    "SERIAL_OTHER_FORMAT": {
        "en": "This number is not written as the brand writes its numbers. Check that it was typed as it stands on the "
        "goods, and ask the brand.",
        "zh": "该编号与品牌的编号格式不同。请核对输入是否与商品上的一致，并向品牌方咨询。",
    },
    "SERIAL_BRAND_HAS_NOT_SAID": {
        "en": "The brand has not said how its numbers are written.",
        "zh": "品牌方未说明其编号的格式。",
    },
    "REPORT_TAKEN": {
        "en": "Thank you, your report was received. Keep the receipt: with it you can see what became of the report. "
        "Reports are put in order automatically, and people decide.",
        "zh": "谢谢，我们已收到您的举报。请保存回执，凭回执可查询处理结果。举报由系统自动排序，由人工作出决定。",
    },
    "REPORT_RECEIVED": {
        "en": "Your report was received. No decision has been made on it yet.",
        "zh": "我们已收到您的举报，尚未作出决定。",
    },
    "REPORT_UPHELD": {
        "en": "A person looked at the listing, and it was taken down.",
        "zh": "经人工审核，该商品信息已被下架。",
    },
    "REPORT_DECLINED": {
        "en": "A person looked at the listing, and it stays. If you know more, you can report it again, or complain to "
        "the marketplace.",
        "zh": "经人工审核，该商品信息予以保留。如有更多情况，您可以再次举报，或向平台投诉。",
    },
}


def say(message_id: str, language: str) -> pb.BuyerWords:
    """Say a sentence in a language, a BCP 47 tag, or in English where there is none in it."""
    tag, text = in_language(tuple(WORDS[message_id].items()), language)
    return pb.BuyerWords(message_id=message_id, text=text, language=tag)


def in_language(texts: Sequence[tuple[str, T]], language: str) -> tuple[str, T]:
    """Choose one of pairs of a BCP 47 tag and a text: the same tag, the same language, English, or the first."""
    wanted = language.casefold()
    for fits in (
        lambda tag: tag == wanted,
        lambda tag: _main(tag) == _main(wanted),
        lambda tag: _main(tag) == ENGLISH,
    ):
        for tag, text in texts:
            if fits(tag.casefold()):
                return tag, text
    return texts[0]


def _main(tag: str) -> str:
    return tag.partition("-")[0]
