"""Words give brands and replica wording away, and innocent words do not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from index.records import Brand
from serving.domain import Listing
from serving.errors import SettingsError
from serving.findings import TextHit, TextKind
from serving.words.tokens import fold
from serving.words.wording import BrandLexicon, find_wording, openly_claimed
from serving.words.wording_file import load_wording

BRANDS = {
    "Nike": ("耐克",), "Gucci": (), "Louis Vuitton": ("LV",), "H&M": (), "Dolce & Gabbana": ("D&G",), "Rolex": (),
    "Apple": (), "Gap": (), "Levi's": (), "HP": (), "C": (), "MINI": (), "Polo": (), "Coach": (), "Duracell": (),
    "Hermès": (), "Coca-Cola": (), "Boots": (), "Ray-Ban": ("RayBan",), "adidas": (), "Ram": (),
}  # fmt: skip


@pytest.fixture(scope="module")
def lexicon() -> BrandLexicon:
    """Return a registry with easy and awkward names."""
    return BrandLexicon.build(Brand(brand_id=name, name=name, aliases=aliases) for name, aliases in BRANDS.items())


def _find(lexicon: BrandLexicon, title: str, *, description: str = "", claimed: str = "") -> tuple[TextHit, ...]:
    listing = Listing(listing_id="1", images=(), title=title, description=description, claimed_brand=claimed)
    return find_wording(listing, lexicon)


def _claimed(lexicon: BrandLexicon, title: str, *, description: str = "", claimed: str = "") -> str:
    listing = Listing(listing_id="1", images=(), title=title, description=description, claimed_brand=claimed)
    brand = openly_claimed(listing, find_wording(listing, lexicon), lexicon)
    return brand.name if brand is not None else ""


def _brands(hits: tuple[TextHit, ...]) -> list[str]:
    return [hit.brand for hit in hits if hit.kind is TextKind.BRAND]


def _replica(hits: tuple[TextHit, ...]) -> list[str]:
    return [hit.matched for hit in hits if hit.kind is TextKind.REPLICA_WORDING]


@pytest.mark.parametrize(
    ("title", "brands"),
    [
        ("Nike Air Max", ["Nike"]),
        ("new nike shoes", ["Nike"]),
        ("NIKE!!!", ["Nike"]),
        ("#nike @Gucci", ["Nike", "Gucci"]),
        ("Ｎｉｋｅ shoes", ["Nike"]),
        ("Nіke shoes with a Cyrillic і", ["Nike"]),
        ("N\u200bike with an invisible space", ["Nike"]),
        ("Nike's best", ["Nike"]),
        ("耐克鞋 全新", ["Nike"]),
        ("LouisVuitton bag", ["Louis Vuitton"]),
        ("louis-vuitton bag", ["Louis Vuitton"]),
        ("LV bag", ["Louis Vuitton"]),
        ("h&m dress", ["H&M"]),
        ("H & M dress", ["H&M"]),
        ("Dolce and Gabbana belt", ["Dolce & Gabbana"]),
        ("dolce gabbana belt", ["Dolce & Gabbana"]),
        ("levis 501", ["Levi's"]),
        ("LEVI’S 501", ["Levi's"]),
        ("hermes scarf", ["Hermès"]),
        ("Coca Cola sign", ["Coca-Cola"]),
        ("Ray Ban aviator", ["Ray-Ban"]),
        ("HP laptop", ["HP"]),
        ("Apple iPhone 14 Pro", ["Apple"]),
        ("Gap Women Navy Jacket", ["Gap"]),
        ("blue gap jeans", ["Gap"]),
        ("MINI Cooper car key", ["MINI"]),
        ("i bought this Coach from the outlet last year", ["Coach"]),
    ],
)
def test_brand_is_found_however_it_is_written(lexicon: BrandLexicon, title: str, brands: list[str]) -> None:
    """Case, width, look-alike letters, hyphens, blanks and possessives do not hide a brand."""
    assert _brands(_find(lexicon, title)) == brands


@pytest.mark.parametrize(
    "title",
    ["nikel plated", "snike", "apple cider vinegar", "Apple Cider Vinegar Organic", "Apple pie recipe", "mind the gap",
     "mind the gap in the jeans", "Mini skirt for women", "mini fridge", "polo shirt", "Polo Shirt Men", "DDR5 RAM",
     "football coach", "hp sauce", "lv 5 pokemon", "vitamin C serum", "leather boots", "case for Nike", "h m",
     "Strap compatible with Rolex", "Hülle passend für Nike", "适用于耐克"],
)  # fmt: skip
def test_ordinary_words_and_what_goods_fit_are_no_brand(lexicon: BrandLexicon, title: str) -> None:
    """Parts of words, common words without a voucher and "compatible with" name no maker."""
    assert _brands(_find(lexicon, title)) == []


def test_claimed_brand_vouches_for_its_own_common_name(lexicon: BrandLexicon) -> None:
    """Where the seller claims Polo, the word polo means the brand."""
    assert _brands(_find(lexicon, "polo shirt", claimed="POLO")) == ["Polo"]


@pytest.mark.parametrize(
    ("title", "matched"),
    [
        ("Nike Air Max replica", ["replica"]),
        ("high quality REPLICAS", ["REPLICAS"]),
        ("Nike Air Max 1:1 AAA quality", ["1:1", "AAA quality"]),
        ("Rolex 1：1 top", ["1：1"]),
        ("mirror quality bag", ["mirror quality"]),
        ("super copy watch", ["super copy"]),
        ("super-copy watch", ["super-copy"]),
        ("rep1ica, rеplica, r3plicas", ["rep1ica", "rеplica", "r3plicas"]),
        ("bag inspired by Gucci", ["inspired by"]),
        ("Gucci inspired bag", ["inspired"]),
        ("Gucci dupe", ["dupe"]),
        ("knock-off handbag", ["knock-off"]),
        ("no returns. replica watch", ["replica"]),
        ("Gucci Tasche, Spiegelqualität", ["Spiegelqualität"]),
        ("Kopie von Gucci", ["Kopie"]),
        ("sac Gucci, contrefaçon", ["contrefaçon"]),
        ("CONTREFACON", ["CONTREFACON"]),
        ("bolso Gucci imitación", ["imitación"]),
        ("borsa Gucci falso d'autore", ["falso d'autore"]),
        ("tênis Nike primeira linha", ["primeira linha"]),
        ("Nike çakma", ["çakma"]),
        ("Orijinal değil", ["Orijinal değil"]),
        ("РЕПЛИКА Nike", ["РЕПЛИКА"]),
        ("кроссовки Nike люкс копия", ["люкс копия"]),
        ("耐克 高仿 A货", ["高仿", "A货"]),
        ("一比一复刻版", ["一比一", "复刻版"]),
        ("ロレックススーパーコピーN級品", ["スーパーコピー", "N級品"]),
        ("Gucci 가방 미러급", ["미러급"]),
        ("Gucci 레플리카입니다", ["레플리카입니다"]),
        ("กระเป๋า Gucci งานก๊อป", ["งานก๊อป"]),
        ("túi Gucci like auth", ["like auth"]),
        ("sepatu Nike kw super", ["kw super"]),
        ("torebka Gucci podróbka", ["podróbka"]),
        ("Gucci tas namaak", ["namaak"]),
        ("شنطة Gucci هاي كوبي", ["هاي كوبي"]),
        ("ساعة Rolex غير أصلية", ["غير أصلية"]),
        ("Nike के नकली जूते", ["नकली"]),
        ("Nike फर्स्ट कॉपी", ["फर्स्ट कॉपी"]),
        ("кросівки Nike репліка", ["репліка"]),
        ("Gucci padělek", ["padělek"]),
        ("Gucci piratkopia", ["piratkopia"]),
        ("τσάντα Gucci απομίμηση", ["απομίμηση"]),
    ],
)
def test_replica_wording_is_found_in_every_language(lexicon: BrandLexicon, title: str, matched: list[str]) -> None:
    """Wording by which goods call themselves copies is found as the seller wrote it."""
    assert _replica(_find(lexicon, title)) == matched


@pytest.mark.parametrize(
    "title",
    ["authentic, no replica", "100% authentic, no fakes, copies or replicas", "This is not a fake", "Kein Plagiat",
     "Gucci, ce n'est pas une contrefaçon", "sin imitación", "non è un'imitazione", "replika değil", "не реплика",
     "拒绝假货", "绝非高仿", "Replica of a medieval sword", "replica movie prop", "Nike official replica jersey",
     "1:1 scale model of a Rolex", "mix 1:1 with water", "1:1", "1:18 Rolex", "fake leather bag", "faux fur coat",
     "imitation pearl necklace", "counterfeit money detector pen", "candle inspired by nature",
     "Nike shoes inspired by 80s running culture", "Duracell AAA batteries", "Nike shoes, not original box",
     "偽物ではありません", "偽物にご注意ください", "Canon コピー機", "나이키 신발 사이즈가 품절",
     "Nike 가품일 경우 환불", "짝퉁 아닙니다", "ไม่ใช่ของปลอม", "hàng giá rẻ Nike",
     "bukan imitasi", "to nie podróbka", "imitacja skóry", "geen namaak", "imitatie leer",
     "ليس تقليد", "جلد تقليد", "नकली फूल", "यह नकली नहीं है", "не репліка", "utan piratkopia",
     "copy of the Rolex invoice included", "signed copy", "vitamin C", "brand new, genuine"],
)  # fmt: skip
def test_negated_and_innocent_wording_is_left_alone(lexicon: BrandLexicon, title: str) -> None:
    """Negations take a phrase back, innocent company does too, and weak phrases need a brand."""
    assert _replica(_find(lexicon, title)) == []


def test_weak_phrase_counts_where_another_field_names_the_brand(lexicon: BrandLexicon) -> None:
    """A brand in the title completes "1:1" in the description, and so does a claimed one."""
    assert _replica(_find(lexicon, "Gucci bag", description="1:1, best price")) == ["1:1"]
    assert _replica(_find(lexicon, "bag", description="1:1, best price", claimed="Gucci")) == ["1:1"]


def test_hits_mark_the_sellers_own_characters(lexicon: BrandLexicon) -> None:
    """Offsets point into the text as it was sent, in order, with field and language."""
    title = "  Ｇｕｃｃｉ bag — REPLIKA, Gucci"

    hits = _find(lexicon, title)

    assert [title[hit.start : hit.end] for hit in hits] == [hit.matched for hit in hits] == ["Ｇｕｃｃｉ", "REPLIKA"]
    assert [hit.field_name for hit in hits] == ["title", "title"]
    assert hits[1].language == "de"


def test_names_resolve_whatever_case_and_accents(lexicon: BrandLexicon) -> None:
    """The claimed brand is looked up by name or alias; an unknown one is none."""
    hermes, vuitton = lexicon.resolve("HERMES"), lexicon.resolve("lv")

    assert hermes is not None
    assert hermes.name == "Hermès"
    assert vuitton is not None
    assert vuitton.name == "Louis Vuitton"
    assert lexicon.resolve("Adibas") is None
    assert lexicon.resolve("") is None


def test_a_name_goes_before_another_brands_alias() -> None:
    """Two brands may share a spelling; the one whose name it is gets it."""
    lexicon = BrandLexicon.build(
        [Brand(brand_id="1", name="Alpha", aliases=("Beta",)), Brand(brand_id="2", name="Beta")]
    )

    found = lexicon.resolve("beta")

    assert found is not None
    assert found.brand_id == "2"


def test_thousands_of_brands_cost_no_time() -> None:
    """A lexicon of 3,500 brands is built and searched well within a listing's budget."""
    brands = [Brand(brand_id=str(n), name=f"brand{n} house", aliases=(f"alias{n}",)) for n in range(3500)]

    start = time.perf_counter()
    lexicon = BrandLexicon.build(brands)
    hits = _find(lexicon, "brand77 house bag", description="lorem ipsum " * 1000)

    assert _brands(hits) == ["brand77 house"]
    assert time.perf_counter() - start < 10  # about 0.3 s on a quiet machine


@pytest.mark.parametrize("repeated", ["HP ", "Gap ", "gap ", "copy HP ", "fake "])
def test_text_made_to_be_slow_costs_no_more_than_its_length(lexicon: BrandLexicon, repeated: str) -> None:
    """A description that names brands and copies thousands of times is read in seconds and gives few hits."""
    start = time.perf_counter()
    hits = _find(lexicon, "bag", description=(repeated * 50_000)[:50_000])

    assert time.perf_counter() - start < 15  # about 1 s on a quiet machine; a minute if each place read the whole text
    assert len(hits) <= 51


def test_shipped_phrases_are_what_the_head_of_the_file_promises() -> None:
    """Every language has phrases, and none of them is empty once folded."""
    wording = load_wording()

    assert {phrase.language for phrase in wording.replica} == {
        *("en", "de", "fr", "es", "it", "pt", "tr", "ru", "zh", "ja", "ko"),
        *("th", "vi", "id", "pl", "nl", "ar", "hi", "uk", "cs", "sv", "el"),
    }
    assert all(phrase.words for phrase in wording.replica)


@pytest.mark.parametrize("content", ["", "format_version: 9", "format_version: 1\nreplica: {en: {surely: [x]}}", "["])
def test_wording_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, content: str) -> None:
    """A broken file is named, not half-used."""
    path = tmp_path / "words.yaml"
    path.write_text(content)

    with pytest.raises(SettingsError, match=r"words\.yaml"):
        load_wording(path)


def test_folding_keeps_numbers_signs_and_every_chinese_character() -> None:
    """The form in which phrases are compared."""
    assert fold("A货 1：1 Müller's D&G") == ("a", "货", "1", ":", "1", "mullers", "d", "&", "g")


@pytest.mark.parametrize(
    ("title", "more", "claimed"),
    [
        ("Nike Air Max", {}, "Nike"),
        ("shoes", {"claimed": "NIKE"}, "Nike"),
        ("Gucci bag", {"claimed": "Nike"}, "Nike"),
        ("Gucci bag", {"claimed": "Nobody's"}, "Gucci"),
        ("bag", {"description": "by Gucci"}, "Gucci"),
        ("Nike or Gucci", {}, "Nike"),
        ("case for Apple iPhone", {}, ""),
        ("bag", {"claimed": "Guccl"}, ""),
        ("Nіke shoes with a Cyrillic і", {}, ""),
        ("Nіke shoes, Nike", {}, "Nike"),
        ("N\u200bike shoes", {}, ""),
        ("Nіke shoes", {"description": "by Gucci"}, "Gucci"),
        ("Étui for Nike", {"description": "by Gucci"}, "Gucci"),
        ("n1ke shoes", {}, ""),
        ("g u c c i bag", {}, ""),
        ("耐克鞋 全新", {}, "Nike"),
        ("", {}, ""),
    ],
)
def test_a_claim_is_what_stands_there_openly(
    lexicon: BrandLexicon, title: str, more: dict[str, str], claimed: str
) -> None:
    """The field goes before the words, the title before the description; fitted goods and disguises claim nothing."""
    assert _claimed(lexicon, title, **more) == claimed
