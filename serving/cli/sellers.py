"""`touchstone sellers`: who sells, whom brands authorise, what is usual among sellers, and which belong together."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from index.errors import NotFound, SellerDataError
from index.identity import PERSONAL, IdentityRecord
from index.identity_checks import masked
from index.market_records import AuthorisedSeller
from index.priors import PriorRecord
from index.rings import find_rings
from index.seller_files import AuthorisationRow, read_authorisations, read_sellers
from index.seller_fit import fit_report_rate, fit_strikes
from index.standing import SellerStanding
from index.store.store import Store
from index.verification import certify_by, collect_by, is_disclosed, is_high_volume, verify_by
from serving.app import open_store
from serving.cli.common import Faults, print_json, progress, settings_of, wants_json

# Rings are looked for among the listings of so many days.
_RING_DAYS = 365


@click.group()
def sellers() -> None:
    """Keep sellers, their verification and their record."""


@sellers.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def import_sellers(context: click.Context, /, file: Path) -> None:
    """Import the identities of sellers that FILE (JSON Lines) holds. Rows that fail are named; the others go in."""
    faults, states, now = Faults(), Counter[str](), datetime.now(UTC)
    with open_store(settings_of(context)) as store:
        for where, identity in progress(read_sellers(file, on_error=faults.add), what="importing"):
            try:
                states[str(store.put_identity(identity, now=now).state)] += 1
            except SellerDataError as error:
                faults.add(SellerDataError(f"{where}: {error}"))
    if wants_json(context):
        print_json({"imported": states.total(), "states": dict(states), "faults": faults.count})
    else:
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        click.echo(f"{states.total()} sellers imported" + (f": {told}" if told else ""))
    faults.exit_if_any(context)


@sellers.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def authorise(context: click.Context, /, file: Path) -> None:
    """Replace the lists of authorised sellers of the brands that FILE (JSON Lines) names, each by what FILE says.

    When any row is at fault nothing is changed: a seller who drops off a list by a slip is taken for unauthorised.
    """
    faults = Faults()
    rows = list(progress(read_authorisations(file, on_error=faults.add), what="reading"))
    with open_store(settings_of(context)) as store:
        lists = _by_brand(store, rows, faults)
        if faults.count:
            raise SellerDataError(f"{file}: {faults.count} rows are at fault; no list was changed.")
        for brand_id, entries in lists.items():
            store.set_authorised_sellers(brand_id, entries)
    counts = {brand_id: len({entry.seller_id for entry in entries}) for brand_id, entries in lists.items()}
    if wants_json(context):
        print_json({"brands": counts})
        return
    for brand_id, count in sorted(counts.items()):
        click.echo(f"{brand_id}: {count} authorised sellers")


@sellers.command()
@click.argument("seller_id")
@click.option("--personal", is_flag=True, help="Show personal data instead of masking them.")
@click.pass_context
def show(context: click.Context, /, seller_id: str, personal: bool) -> None:
    """Show what is on record of the seller SELLER_ID. Personal data are masked."""
    now = datetime.now(UTC)
    with open_store(settings_of(context)) as store:
        stands = store.seller_standing(seller_id, now=now)
        members = store.ring_members(stands.ring.ring_id) if stands.ring else ()
        try:
            identity: IdentityRecord | None = store.get_identity(seller_id)
        except NotFound:
            identity = None
    if not stands.known:
        raise NotFound(f"There is no seller with the id {seller_id!r} on record.")
    document = {"seller_id": seller_id} | _standing(stands, members)
    if identity is not None:
        document |= {"identity": _identity(identity, personal=personal), "duties": _duties(identity)}
    if wants_json(context):
        print_json(document)
        return
    for name, value in _flat(document):
        click.echo(f"{name}: {value}")


@sellers.command()
@click.pass_context
def fit(context: click.Context, /) -> None:
    """Fit what is usual among all sellers, from which each one's rate starts. Run it every night."""
    now = datetime.now(UTC)
    with open_store(settings_of(context)) as store:
        fitted = [fit_strikes(store, now=now), fit_report_rate(store, store.reports_about_seller, now=now)]
        priors = [prior for prior in fitted if prior is not None]
        for prior in priors:
            store.add_prior(prior)
    if wants_json(context):
        print_json({"priors": [_prior(prior) for prior in priors]})
        return
    for prior in priors:
        click.echo(
            f"{prior.kind}: alpha {prior.alpha:.4g}, beta {prior.beta:.4g}, from {prior.sellers} sellers with "
            f"{prior.events:.1f} in {prior.exposure:.1f}"
        )
    if not priors:
        click.echo("too few sellers with strikes or reports to fit anything; the priors stay as they are")


@sellers.command()
@click.pass_context
def rings(context: click.Context, /) -> None:
    """Find the sellers who share photos and titles, and put the rings that they form on record."""
    now = datetime.now(UTC)
    with open_store(settings_of(context)) as store:
        listings = store.iter_seller_listings(since=now - timedelta(days=_RING_DAYS))
        found = find_rings(progress(listings, what="reading"), official=store.official_hashes())
        version = store.put_rings(found, now=now)
    members = sum(len(ring.seller_ids) for ring in found)
    if wants_json(context):
        print_json({"version": version, "rings": len(found), "sellers": members})
    else:
        click.echo(f"{len(found)} rings of {members} sellers in all (version {version})")


def _by_brand(store: Store, rows: list[AuthorisationRow], faults: Faults) -> dict[str, list[AuthorisedSeller]]:
    lists: dict[str, list[AuthorisedSeller]] = defaultdict(list)
    for row in rows:
        brand = store.find_brand(row.brand)
        if brand is None:
            faults.add(SellerDataError(f"{row.where}: brand: {row.brand!r} is not in the registry; import it first."))
        else:
            lists[brand.brand_id] += row.sellers
    return lists


def _standing(stands: SellerStanding, members: tuple[str, ...]) -> dict[str, Any]:
    rate, tally = stands.strike_rate, stands.tally
    return {
        "verification": str(stands.verification),
        "age_days": stands.age_days,
        "listings": tally.decisions,
        "strikes": tally.strikes,
        "strike_rate": {
            "mean": rate.mean,
            "low": rate.low,
            "decayed_strikes": tally.decayed.strikes,
            "decayed_listings": tally.decayed.listings,
            "prior": {"alpha": stands.strike_prior.alpha, "beta": stands.strike_prior.beta},
        },
        "ring": stands.ring and {"ring_id": stands.ring.ring_id, "version": stands.ring.version, "sellers": members},
    }


def _identity(record: IdentityRecord, *, personal: bool) -> dict[str, Any]:
    identity = record.identity
    told = {name: getattr(identity, name) for name in PERSONAL}
    checked = identity.verification
    return {
        "country": identity.country,
        **{name: value if personal or not value else masked(value) for name, value in told.items()},
        "missing": identity.missing,
        "collected": record.collect_time.isoformat(),
        "self_certified": _iso(identity.self_certify_time),
        "verification": checked
        and {"method": checked.method, "passed": checked.passed, "time": checked.time.isoformat()},
    }


def _duties(record: IdentityRecord) -> dict[str, Any]:
    """Say what the law asks next; null where it asks nothing, or where the sales were not told."""
    identity, sales = record.identity, record.identity.sales
    volume = (sales.annual or 0, sales.annual_usd or Decimal(0))
    qualified = sales.qualify_time if is_high_volume(*volume) else None
    waiting = qualified is not None and identity.verification is None
    return {
        "high_volume": is_high_volume(*volume),
        "disclose_to_buyers": is_disclosed(*volume),
        "collect_by": _iso(collect_by(qualified) if qualified and identity.missing else None),
        "verify_by": _iso(verify_by(record.collect_time) if waiting and not identity.missing else None),
        "certify_by": _iso(certify_by(identity.certify_time) if identity.certify_time else None),
    }


def _prior(prior: PriorRecord) -> dict[str, Any]:
    return vars(prior) | {"kind": str(prior.kind), "fit_time": prior.fit_time.isoformat()}


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time is not None else None


def _flat(document: dict[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    """Give the values of a nested document with their paths; what is not known is left out."""
    lines: list[tuple[str, object]] = []
    for name, value in document.items():
        if isinstance(value, dict):
            lines += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, tuple):
            lines.append((f"{prefix}{name}", ", ".join(value) or "none"))
        elif value not in (None, ""):
            lines.append((f"{prefix}{name}", value))
    return lines
