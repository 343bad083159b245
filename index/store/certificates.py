"""Which certificates allow takedowns, and how do the bets against them stand? Written once; only their state changes.

Every change of state is a line of its own with who and why; the last one counts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from index.audit.entries import Act, Entry
from index.errors import Conflict, NotFound
from index.learning import Certificate, CertificateOnRecord, CertificateState, StateChange, TierOfBrand
from index.store.audit import enter
from index.store.changes import head
from index.store.engine import Database, insert_new
from index.store.locks import lock_certificates
from index.store.tables.learning import brand_tiers, certificate_changes, certificates, wagers
from index.store.verdicts import VERDICTS
from index.wager import Wager

_CERTIFICATE = tuple(Certificate.__dataclass_fields__)
_WAGER = ("verified", "errors", "wealth")
# From which states a person or the kill switch may bring a certificate into another.
_FROM = {
    CertificateState.SUSPENDED: CertificateState.VALID,
    CertificateState.VALID: CertificateState.SUSPENDED,
}


class CertificateStore:
    """The part of the store that keeps certificates, tiers of brands and the bets against certificates."""

    _database: Database

    def list_certificates(self) -> tuple[CertificateOnRecord, ...]:
        """Return all certificates, the newest first."""
        with self._database.read("list certificates") as connection:
            return _read(connection)

    def get_certificate(self, certificate_id: str) -> CertificateOnRecord:
        """Return a certificate. Raises NotFound."""
        with self._database.read("read a certificate") as connection:
            return _get(connection, certificate_id)

    def certificate_changes(self, certificate_id: str) -> tuple[StateChange, ...]:
        """Return every change of a certificate's state, oldest first; none when there is no such certificate."""
        query = select(certificate_changes).where(certificate_changes.c.certificate_id == certificate_id)
        with self._database.read("read a certificate's changes") as connection:
            return tuple(_change(row) for row in connection.execute(query.order_by(certificate_changes.c.number)))

    def issue_certificate(self, certificate: Certificate, *, actor: str, reason: str) -> None:
        """Bring a certificate into force; earlier ones of its tier are superseded. Raises Conflict when on record."""
        with self._database.write(f"issue the certificate {certificate.certificate_id!r}") as connection:
            lock_certificates(connection)
            for earlier in _read(connection):
                if earlier.certificate.tier == certificate.tier and earlier.changed.state in _FROM:
                    over = f"superseded by {certificate.certificate_id}"
                    name = earlier.certificate.certificate_id
                    _write(connection, name, CertificateState.SUPERSEDED, over, actor, certificate.create_time)
            values = {name: getattr(certificate, name) for name in _CERTIFICATE}
            connection.execute(certificates.insert().values(values))
            _write(
                connection, certificate.certificate_id, CertificateState.VALID, reason, actor, certificate.create_time
            )

    def change_certificate(
        self, certificate_id: str, state: CertificateState, *, reason: str, actor: str, now: datetime
    ) -> CertificateOnRecord:
        """Suspend a valid certificate, or reinstate a suspended one, whose bet then begins anew.

        Raises NotFound, and Conflict when it is in no state from which that can be done.
        """
        with self._database.write(f"change the certificate {certificate_id!r}") as connection:
            lock_certificates(connection)  # so that of two suspensions one is refused
            present = _get(connection, certificate_id).changed.state
            if _FROM.get(state) is not present:
                raise Conflict(f"The certificate {certificate_id!r} is {present} and cannot become {state}.")
            _write(connection, certificate_id, state, reason, actor, now)
            if state is CertificateState.VALID:
                connection.execute(delete(wagers).where(wagers.c.certificate_id == certificate_id))
            return _get(connection, certificate_id)

    def save_wager(self, certificate_id: str, wager: Wager, *, number: int) -> None:
        """Keep how the bet stands after the verdicts up to `number`; one that is known further on stays."""
        values = {name: getattr(wager, name) for name in _WAGER} | {"number": number}
        with self._database.write(f"keep the bet against {certificate_id!r}") as connection:
            insert_new(connection, wagers, [values | {"certificate_id": certificate_id}])
            older = update(wagers).where(wagers.c.certificate_id == certificate_id, wagers.c.number < number)
            connection.execute(older.values(values))

    def wagered_up_to(self) -> dict[str, int]:
        """Return, by certificate, the number of the last verdict that its bet took into account."""
        with self._database.read("read how far the bets are") as connection:
            rows = connection.execute(select(wagers.c.certificate_id, wagers.c.number))
            return {row.certificate_id: row.number for row in rows}

    def put_tier(self, brand: str, tier: str, *, now: datetime) -> None:
        """Give a brand its tier. One that it has already keeps the time since when."""
        with self._database.write(f"give {brand!r} a tier") as connection:
            values = {"brand": brand, "tier": tier, "since": now}
            insert_new(connection, brand_tiers, [values])
            other = update(brand_tiers).where(brand_tiers.c.brand == brand, brand_tiers.c.tier != tier)
            connection.execute(other.values(tier=tier, since=now))
            enter(connection, Entry(act=Act.TIER_SET, subject=brand, facts={"tier": tier}))

    def list_tiers(self) -> tuple[TierOfBrand, ...]:
        """Return the brands that were given a tier, by name."""
        with self._database.read("list tiers") as connection:
            rows = connection.execute(select(brand_tiers).order_by(brand_tiers.c.brand))
            return tuple(TierOfBrand(brand=row.brand, tier=row.tier, since=row.since) for row in rows)


def _is(certificate_id: str) -> Any:
    return certificates.c.certificate_id == certificate_id


def _write(
    connection: Connection, certificate_id: str, state: CertificateState, reason: str, actor: str, now: datetime
) -> None:
    line = {"certificate_id": certificate_id, "state": str(state), "reason": reason, "actor": actor}
    after = {"create_time": now, "after_verdict": head(connection, VERDICTS)}
    connection.execute(certificate_changes.insert().values(line | after))
    entry = Entry(act=Act.CERTIFICATE_CHANGED, subject=certificate_id, actor=actor, facts={"state": str(state)})
    enter(connection, entry)


def _get(connection: Connection, certificate_id: str) -> CertificateOnRecord:
    found = _read(connection, _is(certificate_id))
    if not found:
        raise NotFound(f"There is no certificate with the id {certificate_id!r}.")
    return found[0]


def _read(connection: Connection, *conditions: Any) -> tuple[CertificateOnRecord, ...]:
    last = (
        select(func.max(certificate_changes.c.number))
        .where(certificate_changes.c.certificate_id == certificates.c.certificate_id)
        .correlate(certificates)
        .scalar_subquery()
    )
    own = certificate_changes.c.certificate_id == certificates.c.certificate_id
    query = (
        select(
            certificates,
            *(certificate_changes.c[name] for name in ("state", "reason", "actor", "after_verdict")),
            certificate_changes.c.create_time.label("change_time"),
            *(wagers.c[name].label(f"wager_{name}") for name in _WAGER),
        )
        .select_from(certificates)
        .join(certificate_changes, own & (certificate_changes.c.number == last))
        .outerjoin(wagers, wagers.c.certificate_id == certificates.c.certificate_id)
        .where(*conditions)
        .order_by(certificates.c.create_time.desc(), certificates.c.certificate_id)
    )
    return tuple(_on_record(row) for row in connection.execute(query))


def _on_record(row: Row[Any]) -> CertificateOnRecord:
    bet = {name: getattr(row, f"wager_{name}") for name in _WAGER}
    return CertificateOnRecord(
        certificate=Certificate(**{name: getattr(row, name) for name in _CERTIFICATE}),
        changed=StateChange(
            state=CertificateState(row.state),
            reason=row.reason,
            actor=row.actor,
            create_time=row.change_time,
            after_verdict=row.after_verdict,
        ),
        wager=Wager() if row.wager_verified is None else Wager(**bet),
    )


def _change(row: Row[Any]) -> StateChange:
    return StateChange(
        state=CertificateState(row.state),
        reason=row.reason,
        actor=row.actor,
        create_time=row.create_time,
        after_verdict=row.after_verdict,
    )
