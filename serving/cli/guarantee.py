"""`touchstone guarantee`: prove from which probability on takedowns need no person, and take such proofs back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from index.errors import StoreError
from index.guarantee import Promise
from index.learning import DEFAULT_TIER, Certificate, CertificateOnRecord, CertificateState
from index.store.store import Store
from serving.app import open_store
from serving.certifying import Certifier, Sample, what_is_missing
from serving.cli.common import by_actor, print_json, settings_of, wants_json
from serving.guarantee import CertificateSource, versions_in_use

_WHY = click.option("--why", "reason", required=True, help="Why, for the record.")


@click.group()
def guarantee() -> None:
    """Certificates: the proof that takedowns without a person are right."""


@guarantee.command()
@click.option("--tier", "tiers", multiple=True, help="Only this tier; may be repeated.")
@click.option("--target", default=Promise.target, show_default=True, help="Share of takedowns that must be right.")
@click.option("--confidence", default=Promise.confidence, show_default=True, help="How sure that is.")
@click.option("--dry-run", is_flag=True, help="Say what would be certified, and certify nothing.")
@by_actor
@click.pass_context
def certify(
    context: click.Context,
    /,
    tiers: tuple[str, ...],
    target: float,
    confidence: float,
    *,
    dry_run: bool,
    actor: str,
) -> None:
    """Prove a threshold for each tier from what people judged; it comes into force at once."""
    try:
        promise = Promise(target=target, confidence=confidence)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    now, shown, missing = datetime.now(UTC), [], 0
    with open_store(settings_of(context)) as store:
        certifier = Certifier(store=store, versions=versions_in_use(store))
        for tier in tiers or _tiers(store):
            sample = certifier.sample(tier, now=now)
            made = certifier.certificate(sample, promise, now=now)
            missing += made is None
            shown.append(_outcome(sample, made, promise))
            if made is not None and not dry_run:
                reason = f"proved on {made.verified} candidates, {made.errors} of them wrong"
                store.issue_certificate(made, actor=actor, reason=reason)
            if not wants_json(context):
                click.echo(_sentence(sample, made, promise, dry_run=dry_run))
    if wants_json(context):
        print_json(shown)
    if missing and not dry_run:
        context.exit(1)


@guarantee.command("list")
@click.pass_context
def list_certificates(context: click.Context, /) -> None:
    """List all certificates, the newest first."""
    now = datetime.now(UTC)
    with open_store(settings_of(context)) as store:
        CertificateSource(store).open()  # the bets brought to the newest verdict, which may suspend
        found = store.list_certificates()
    if wants_json(context):
        print_json([_document(one, now) for one in found])
        return
    for one in found:
        certificate = one.certificate
        click.echo(
            f"{certificate.certificate_id}  {one.state_at(now):<10}  {certificate.tier:<12}  "
            f"from {certificate.threshold:.4f}  until {certificate.expire_time:%Y-%m-%d}"
        )
    if not found:
        click.echo("no certificates: every takedown without a person becomes a REVIEW")


@guarantee.command()
@click.argument("certificate_id")
@click.pass_context
def show(context: click.Context, /, certificate_id: str) -> None:
    """Show what CERTIFICATE_ID was proved on, what it holds for, and what became of it."""
    now = datetime.now(UTC)
    with open_store(settings_of(context)) as store:
        CertificateSource(store).open()
        one, changes = store.get_certificate(certificate_id), store.certificate_changes(certificate_id)
    document = _document(one, now) | {"changes": [_plain(asdict(change)) for change in changes]}
    if wants_json(context):
        print_json(document)
        return
    for name, value in document.items():
        if name != "changes":
            click.echo(f"{name:<18}  {value}")
    for change in changes:
        click.echo(f"{change.create_time:%Y-%m-%d %H:%M}  {change.state} by {change.actor}: {change.reason}")


@guarantee.command()
@click.argument("certificate_id")
@by_actor
@_WHY
@click.pass_context
def suspend(context: click.Context, /, certificate_id: str, actor: str, reason: str) -> None:
    """Take CERTIFICATE_ID out of force; takedowns become REVIEW within a refresh of every replica."""
    _change(context, certificate_id, CertificateState.SUSPENDED, actor=actor, reason=reason)


@guarantee.command()
@click.argument("certificate_id")
@by_actor
@_WHY
@click.pass_context
def reinstate(context: click.Context, /, certificate_id: str, actor: str, reason: str) -> None:
    """Put CERTIFICATE_ID back into force; the bet against it begins anew."""
    _change(context, certificate_id, CertificateState.VALID, actor=actor, reason=reason)


@guarantee.command()
@click.argument("brand", required=False)
@click.argument("tier", required=False)
@click.pass_context
def tier(context: click.Context, /, brand: str | None, tier: str | None) -> None:
    """Put BRAND into TIER; without them, list the brands that are not in the tier of all others."""
    if (brand is None) != (tier is None):
        raise click.UsageError("name a brand and its tier, or neither")
    with open_store(settings_of(context)) as store:
        if brand is not None and tier is not None:
            known = store.find_brand(brand)
            if known is None:
                raise StoreError(f"There is no brand that goes by {brand!r} in the registry.")
            store.put_tier(known.name, tier, now=datetime.now(UTC))
        given = store.list_tiers()
    if wants_json(context):
        print_json([_plain(asdict(one)) for one in given])
        return
    for one in given:
        click.echo(f"{one.tier:<12}  {one.brand}")
    click.echo(f"{DEFAULT_TIER:<12}  (all other brands)")


def _change(context: click.Context, certificate_id: str, state: CertificateState, *, actor: str, reason: str) -> None:
    now = datetime.now(UTC)
    with open_store(settings_of(context)) as store:
        one = store.change_certificate(certificate_id, state, reason=reason, actor=actor, now=now)
    if wants_json(context):
        print_json(_document(one, now))
    else:
        click.echo(f"{certificate_id} is {one.state_at(now)}")


def _tiers(store: Store) -> list[str]:
    return sorted({DEFAULT_TIER, *(one.tier for one in store.list_tiers())})


def _outcome(sample: Sample, made: Certificate | None, promise: Promise) -> dict[str, Any]:
    return {
        "tier": sample.tier,
        "candidates": len(sample.candidates),
        "unjudged": sample.unjudged,
        "certificate": None if made is None else _plain(asdict(made)),
        "missing": what_is_missing(sample, promise) if made is None else "",
    }


def _sentence(sample: Sample, made: Certificate | None, promise: Promise, *, dry_run: bool) -> str:
    if made is None:
        return what_is_missing(sample, promise)
    verb = "would be certified" if dry_run else f"is certified ({made.certificate_id})"
    return (
        f"{made.tier}: from {made.threshold:.4f} on {verb}: of {made.verified:,} candidates {made.errors} were wrong; "
        f"at most {made.bound:.2%} are, for the fusion {made.fusion_version or '(unnamed)'}, until "
        f"{made.expire_time:%Y-%m-%d}"
    )


def _document(one: CertificateOnRecord, now: datetime) -> dict[str, Any]:
    changed = {"state": str(one.state_at(now)), "reason": one.changed.reason, "actor": one.changed.actor}
    bet = {"audited": one.wager.verified, "audited_wrong": one.wager.errors, "wealth": one.wager.wealth}
    return _plain(asdict(one.certificate)) | changed | bet


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
