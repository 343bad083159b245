"""Which listings does `touchstone scan --redecide` decide on again? The options of a query over the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
from google.protobuf.timestamp_pb2 import Timestamp

from serving.scan.catalogue import CatalogueQuery, to_query
from serving.scan.words import BELOW, VERDICTS
from touchstone.moderation.v1 import catalogue_pb2, scan_pb2

_TIMES = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"])
_OPTIONS = (
    click.option("--brand", multiple=True, metavar="ID", help="Only listings with evidence of this brand."),
    click.option("--seller", multiple=True, metavar="ID", help="Only this seller's."),
    click.option("--category", default="", metavar="'A > B'", help="Only this predicted category and below."),
    click.option("--verdict", multiple=True, type=click.Choice(list(VERDICTS)), help="Only this verdict in force."),
    click.option("--market", multiple=True, metavar="CODE", help="Only offered there."),
    click.option("--since", type=_TIMES, help="Only last screened from then on (UTC)."),
    click.option("--before", type=_TIMES, help="Only last screened before then (UTC)."),
    click.option("--reference", default="", metavar="ID", help="Only what looks like this reference."),
    click.option("--min-similarity", type=click.FloatRange(-1, 1), help="[what counts as a match in screening]"),
)


def catalogue_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which listings."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


QUERY_WORDS = ("brand", "seller", "category", "verdict", "market", "since", "before", "reference", "min_similarity")


def query_of(words: dict[str, Any]) -> CatalogueQuery:
    """Read what the options say. Raises InvalidListing naming what breaks a rule."""
    return to_query(query_message(words), query_filter(words))


def query_message(words: dict[str, Any]) -> scan_pb2.CatalogueQuery:
    """Read what the options say of what listings look like."""
    return scan_pb2.CatalogueQuery(reference_id=words["reference"], min_similarity=words["min_similarity"])


def query_filter(words: dict[str, Any]) -> catalogue_pb2.ListingFilter:
    """Read what the options say of the listings themselves."""
    return catalogue_pb2.ListingFilter(
        brand_ids=words["brand"],
        seller_ids=words["seller"],
        category_path=[name.strip() for name in words["category"].split(BELOW) if name.strip()],
        verdicts=[VERDICTS[name] for name in words["verdict"]],
        markets=words["market"],
        screened_from=_moment(words["since"]),
        screened_before=_moment(words["before"]),
    )


def _moment(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    moment = Timestamp()
    moment.FromDatetime(time.replace(tzinfo=UTC))
    return moment
