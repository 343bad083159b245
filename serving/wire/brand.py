"""What does a brand's owner ask for? BrandService's requests about brands, to the registry's records.

As in `serving.wire.requests`, every rule that a request breaks is collected before `InvalidListing` is raised.
Sellers and prices are read by `serving.wire.market`, rights by `serving.wire.rights`.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from google.protobuf.field_mask_pb2 import FieldMask

from index.brand_records import BrandMark, BrandProfile, Right
from index.names import normalise_name
from index.records import Brand
from serving.errors import FieldViolation
from serving.wire.case import refuse
from serving.wire.rights import MAX_TEXT_CHARACTERS, right_violations, to_right
from serving.wire.rules import BIDI, check_id, check_length, check_range, check_request_id, check_text, shown
from serving.words.tokens import fold
from touchstone.moderation.v1 import brand_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb

MAX_NAME_CHARACTERS = 200
MAX_ALIASES, MAX_KEYWORDS, MAX_RIGHTS, MAX_MARKS = 100, 1_000, 1_000, 1_000
MAX_PAGE, DEFAULT_PAGE = 1_000, 100
MAX_ETAG_CHARACTERS = 64
FIELDS = ("name", "aliases", "rights", "marks", "keywords")

_BRAND_ID = re.compile(r"[a-z0-9-]{1,63}")
_LIMITS = {"aliases": MAX_ALIASES, "rights": MAX_RIGHTS, "marks": MAX_MARKS, "keywords": MAX_KEYWORDS}


@dataclass(frozen=True, kw_only=True)
class BrandUpdate:
    """What is to be changed in which brand; with an etag, only in the state that it was given for.

    `message` holds the new values of `fields` and nothing else.
    """

    brand_id: str
    etag: str
    fields: frozenset[str]
    message: brand_pb2.Brand

    def apply(self, old: BrandProfile) -> BrandProfile:
        """Return the brand as it is to be. Raises InvalidListing where what changes contradicts what stays."""
        given = _profile(self.message, old.brand.brand_id)
        brand = Brand(
            brand_id=old.brand.brand_id,
            name=given.brand.name if "name" in self.fields else old.brand.name,
            aliases=given.brand.aliases if "aliases" in self.fields else old.brand.aliases,
        )
        lists = {name: getattr(given, name) for name in ("keywords", "rights", "marks") if name in self.fields}
        new = replace(old, brand=brand, **lists)
        refuse(_unprotected(new, "brand.marks" if "marks" in self.fields else "brand.rights"))
        return new


def to_new_brand(request: pb.CreateBrandRequest, free_id: Callable[[str], str]) -> BrandProfile:
    """Translate a brand that is to be made; `free_id` finds an id for its name. Raises InvalidListing."""
    message = request.brand
    violations = [*check_request_id("request_id", request.request_id)]
    if not request.HasField("brand"):
        violations.append(FieldViolation("brand", "is missing; send a brand with a name"))
    else:
        if message.brand_id and not _BRAND_ID.fullmatch(message.brand_id):
            violations.append(
                FieldViolation(
                    "brand.brand_id", f"{shown(message.brand_id)} is no id; send 1 to 63 of a-z, 0-9 and -, or nothing"
                )
            )
        violations += _violations(message, FIELDS)
    refuse(violations)
    profile = _profile(message, message.brand_id or free_id(message.name))
    refuse(_unprotected(profile, "brand.marks"))
    return profile


def to_update(request: pb.UpdateBrandRequest) -> BrandUpdate:
    """Translate a change of a brand. Raises InvalidListing."""
    fields = frozenset(request.update_mask.paths)
    allowed = ", ".join(FIELDS)
    violations = [
        *check_id("brand.brand_id", request.brand.brand_id, required=True),
        *check_etag("brand.etag", request.brand.etag),
    ]
    if not fields:
        violations.append(FieldViolation("update_mask", f"is empty; name what to change: {allowed}"))
    unknown = sorted(fields.difference(FIELDS))
    if unknown:
        violations.append(FieldViolation("update_mask", f"names {shown(unknown[0])}; what can be changed: {allowed}"))
    violations += _violations(request.brand, [name for name in FIELDS if name in fields])
    refuse(violations)
    return BrandUpdate(
        brand_id=request.brand.brand_id, etag=request.brand.etag, fields=fields, message=_masked(request.brand, fields)
    )


def _masked(message: brand_pb2.Brand, fields: frozenset[str]) -> brand_pb2.Brand:
    """Take out the fields that are named: the others were not checked."""
    taken = brand_pb2.Brand()
    FieldMask(paths=sorted(fields)).MergeMessage(message, taken)
    return taken


def to_brand_id(request: pb.GetBrandRequest) -> str:
    """Translate the question for one brand. Raises InvalidListing."""
    refuse(check_id("brand_id", request.brand_id, required=True))
    return request.brand_id


def to_page_size(request: pb.ListBrandsRequest) -> int:
    """Translate how many brands to list. Raises InvalidListing."""
    refuse(
        [
            *check_range("page_size", request.page_size, low=1, high=MAX_PAGE, default=DEFAULT_PAGE),
            *check_text("name_prefix", request.name_prefix, limit=MAX_NAME_CHARACTERS),
        ]
    )
    return request.page_size or DEFAULT_PAGE


def check_etag(field: str, value: str) -> Iterator[FieldViolation]:
    """Check what a client sends back as it got it; whether it is the brand's is another question."""
    yield from check_length(field, value, limit=MAX_ETAG_CHARACTERS)


def name_places(profile: BrandProfile) -> Iterator[tuple[str, str]]:
    """Yield each word by which the brand is known, with the field that it stands in."""
    yield "brand.name", profile.brand.name
    yield from ((f"brand.aliases[{index}]", alias) for index, alias in enumerate(profile.brand.aliases))
    yield from ((f"brand.keywords[{index}]", word) for index, word in enumerate(profile.keywords))


def _violations(message: brand_pb2.Brand, fields: Sequence[str]) -> Iterator[FieldViolation]:
    if "name" in fields:
        yield from _check_name("brand.name", message.name)
    for name in fields:
        if name == "name":
            continue
        values = getattr(message, name)
        if len(values) > _LIMITS[name]:
            yield FieldViolation(f"brand.{name}", f"has {len(values)} values; send at most {_LIMITS[name]}")
            continue
        for index, value in enumerate(values):
            field = f"brand.{name}[{index}]"
            if name == "rights":
                yield from right_violations(field, value)
            elif name == "marks":
                yield from _mark_violations(field, value)
            else:
                yield from _check_name(field, value)
    for name, key in (("rights", "right_id"), ("marks", "mark_id")):
        if name in fields:
            yield from _check_unique(f"brand.{name}", key, [getattr(each, key) for each in getattr(message, name)])


def _check_name(field: str, value: str) -> Iterator[FieldViolation]:
    """Check a word by which a brand is known: what people can read and a text can be searched for."""
    yield from check_length(field, value, limit=MAX_NAME_CHARACTERS)
    if any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") for character in value):
        yield FieldViolation(field, f"{shown(value)} holds a character that nobody can read; remove it")
    elif BIDI.search(value):
        yield FieldViolation(field, f"{shown(value)} holds a sign that turns the direction of writing; remove it")
    elif not normalise_name(value) or not fold(value):
        yield FieldViolation(field, f"{shown(value)} has no letter or digit; send a name")
    elif value != value.strip():
        yield FieldViolation(field, f"{shown(value)} begins or ends with a blank; remove it")


def _mark_violations(field: str, message: brand_pb2.Mark) -> Iterator[FieldViolation]:
    yield from check_id(f"{field}.mark_id", message.mark_id, required=False)
    yield from check_text(f"{field}.name", message.name, limit=MAX_TEXT_CHARACTERS)
    if len(message.right_ids) > MAX_RIGHTS:
        yield FieldViolation(f"{field}.right_ids", f"has {len(message.right_ids)} values; send at most {MAX_RIGHTS}")
        return
    for index, right_id in enumerate(message.right_ids):
        yield from check_id(f"{field}.right_ids[{index}]", right_id, required=True)


def _check_unique(field: str, key: str, values: Sequence[str]) -> Iterator[FieldViolation]:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value and value in seen:
            yield FieldViolation(f"{field}[{index}].{key}", f"{shown(value)} stands there twice; choose another")
        seen.add(value)


def _unprotected(profile: BrandProfile, field: str) -> list[FieldViolation]:
    """Say which marks name a right that the brand does not have."""
    known = {right.right_id for right in profile.rights}
    return [
        FieldViolation(field, f"the mark {shown(mark.mark_id)} names the right {shown(lost)}, which there is not")
        for mark in profile.marks
        for lost in mark.right_ids
        if lost not in known
    ]


def _profile(message: brand_pb2.Brand, brand_id: str) -> BrandProfile:
    """Translate the fields that a client may set, once they are checked."""
    return BrandProfile(
        brand=Brand(brand_id=brand_id, name=message.name, aliases=tuple(message.aliases)),
        keywords=tuple(message.keywords),
        rights=tuple(_right(each) for each in message.rights),
        marks=tuple(
            BrandMark(mark_id=each.mark_id or _new_id(), name=each.name, right_ids=tuple(each.right_ids))
            for each in message.marks
        ),
    )


def _right(message: brand_pb2.RightRecord) -> Right:
    return to_right(message, right_id=message.right_id or _new_id())


def _new_id() -> str:
    return uuid.uuid4().hex[:16]
