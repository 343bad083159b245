"""How is a query said to `touchstone scan`? Its options, from what a request asks for.

`serving.cli.scan_query` reads them. The service says so to the processes that it starts, and a command that was stopped
to who goes on with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from touchstone.moderation.v1 import catalogue_pb2, decision_pb2, scan_pb2

VERDICTS = {name.removeprefix("VERDICT_").lower(): value for name, value in decision_pb2.Verdict.items() if value}
BELOW = ">"
"""Between a category and those below it."""

_NAMES = {value: name for name, value in VERDICTS.items()}


def to_words(query: scan_pb2.CatalogueQuery, where: catalogue_pb2.ListingFilter) -> tuple[str, ...]:
    """Say a query in the words of the options: the inverse of reading them."""
    return tuple(word for option, value in _typed(query, where) for word in (option, value))


def unsayable(category_path: Iterable[str]) -> tuple[str, ...]:
    """Return the names of a category that the options cannot say."""
    return tuple(name for name in category_path if BELOW in name or name != name.strip() or not name)


def _typed(query: scan_pb2.CatalogueQuery, where: catalogue_pb2.ListingFilter) -> Iterator[tuple[str, str]]:
    yield from (("--brand", brand_id) for brand_id in where.brand_ids)
    yield from (("--seller", seller_id) for seller_id in where.seller_ids)
    if where.category_path:
        yield "--category", f" {BELOW} ".join(where.category_path)
    yield from (("--verdict", _NAMES[verdict]) for verdict in where.verdicts)
    yield from (("--market", market) for market in where.markets)
    if where.HasField("screened_from"):
        yield "--since", where.screened_from.ToDatetime().isoformat()
    if where.HasField("screened_before"):
        yield "--before", where.screened_before.ToDatetime().isoformat()
    if query.reference_id:
        yield "--reference", query.reference_id
    if query.HasField("min_similarity"):
        yield "--min-similarity", repr(query.min_similarity)
