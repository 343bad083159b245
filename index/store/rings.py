"""Which sellers belong together? The rings that the last run found, and what a run looks at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, insert, select, tuple_

from index.records import ReferenceKind
from index.rings import Ring, RingLink, SellerListing
from index.store.changes import take
from index.store.engine import BATCH, Database
from index.store.tables.decisions import decisions, listing_images
from index.store.tables.references import references
from index.store.tables.sellers import seller_listings, seller_ring_links, seller_ring_members, seller_rings

_RUNS = "seller_rings"


class RingStore:
    """The part of the store that keeps rings of sellers."""

    _database: Database

    def put_rings(self, rings: Sequence[Ring], *, now: datetime) -> int:
        """Replace the rings by those of a new run, and return the run's number."""
        with self._database.write("put rings") as connection:
            version = take(connection, _RUNS)
            connection.execute(delete(seller_ring_links))
            connection.execute(delete(seller_ring_members))
            connection.execute(delete(seller_rings))
            rows = [
                {
                    "ring_id": ring.ring_id,
                    "version": version,
                    "size": len(ring.seller_ids),
                    "shared_photos": ring.shared_photos,
                    "shared_titles": ring.shared_titles,
                    "find_time": now,
                }
                for ring in rings
            ]
            members = [{"seller_id": seller, "ring_id": ring.ring_id} for ring in rings for seller in ring.seller_ids]
            links = [asdict(link) | {"ring_id": ring.ring_id} for ring in rings for link in ring.links]
            if rows:
                connection.execute(insert(seller_rings), rows)
                connection.execute(insert(seller_ring_members), members)
            if links:
                connection.execute(insert(seller_ring_links), links)
        return version

    def ring_members(self, ring_id: str) -> tuple[str, ...]:
        """Return the sellers in a ring, in order."""
        member = seller_ring_members.c
        query = select(member.seller_id).where(member.ring_id == ring_id).order_by(member.seller_id)
        with self._database.read("read a ring's members") as connection:
            return tuple(connection.scalars(query))

    def ring_links(self, ring_id: str) -> tuple[RingLink, ...]:
        """Return what the sellers in a ring share with each other, in the order of their ids."""
        link = seller_ring_links.c
        query = select(*(link[name] for name in RingLink.__dataclass_fields__)).where(link.ring_id == ring_id)
        with self._database.read("read a ring's links") as connection:
            rows = connection.execute(query.order_by(link.first_seller_id, link.second_seller_id))
            return tuple(RingLink(**row._asdict()) for row in rows)

    def iter_seller_listings(self, *, since: datetime) -> Iterator[SellerListing]:
        """Yield what may link the sellers of listings decided `since`; each page is a short transaction of its own."""
        table = seller_listings.c
        key, after = tuple_(table.listing_id, table.seller_id), ("", "")
        while True:
            page = (
                select(seller_listings, decisions.c.title_signature)
                .join_from(seller_listings, decisions, table.decision_id == decisions.c.decision_id)
                .where(key > after, table.decide_time >= since)
                .order_by(*key.clauses)
                .limit(BATCH)
            )
            with self._database.read("read sellers' listings") as connection:
                rows = connection.execute(page).all()
                image = listing_images.c
                photos = select(image.decision_id, image.sha256, image.pdq).where(
                    image.decision_id.in_([row.decision_id for row in rows])
                )
                of_decision: dict[str, list[tuple[str, bytes | None]]] = defaultdict(list)
                for decision_id, sha256, pdq in connection.execute(photos):
                    of_decision[decision_id].append((sha256, pdq))
            for row in rows:
                yield SellerListing(
                    seller_id=row.seller_id,
                    photos=tuple(of_decision[row.decision_id]),
                    title_signature=row.title_signature,
                )
            if len(rows) < BATCH:
                return
            after = (rows[-1].listing_id, rows[-1].seller_id)

    def official_hashes(self) -> tuple[bytes, ...]:
        """Return the PDQ hashes of all pictures that brand owners published."""
        column = references.c
        query = select(column.pdq).where(column.pdq.is_not(None), column.kind != str(ReferenceKind.COUNTERFEIT))
        with self._database.read("read the hashes of references") as connection:
            return tuple(connection.scalars(query))
