"""Where is everything that Touchstone knows? In one store: open it, ask it, and close it with the `with` block.

The pipeline reads brands, sellers and earlier decisions here and records each new one; an index is built from the
references. All methods are synchronous, may be called from any thread, and take and return the frozen records of
`index.records`; what goes wrong is a StoreError, NotFound or Conflict.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Select, Table, func, select

from index.case_records import CaseState
from index.errors import StoreError
from index.records import ReferenceState, StoreCounts
from index.store.access import AccessStore
from index.store.appeals import AppealStore
from index.store.applications import ApplicationStore
from index.store.audit_check import AuditCheckStore
from index.store.batches import BatchStore
from index.store.blobs import BlobNameStore
from index.store.brand_hits import BrandHitStore
from index.store.brand_profiles import BrandProfileStore
from index.store.brands import BrandStore
from index.store.buyer_advice import BuyerAdviceStore
from index.store.cases import CaseStore
from index.store.certificates import CertificateStore
from index.store.changes import ChangeStore
from index.store.check_answers import CheckAnswerStore
from index.store.checks import CheckStore
from index.store.checksums import TableSum, table_sums
from index.store.condition import StoreCondition, condition_of
from index.store.decisions import DecisionStore
from index.store.engine import CONNECTIONS, Database, StoreObserver
from index.store.erasing import ErasingStore
from index.store.evidence import EvidenceStore
from index.store.features import FeatureStore
from index.store.gold import GoldStore
from index.store.histories import HistoryStore
from index.store.holds import HoldStore
from index.store.identities import IdentityStore
from index.store.judgements import JudgementStore
from index.store.learning import LearningStore
from index.store.legal_steps import LegalStepStore
from index.store.listings import ListingStore
from index.store.migrate import ensure_schema
from index.store.notices import NoticeStore
from index.store.outcomes import OutcomeStore
from index.store.photos import PhotoStore
from index.store.policies import PolicyStore
from index.store.prices import PriceStore
from index.store.priors import PriorStore
from index.store.queue_counts import QueueCountStore
from index.store.reference_life import ReferenceLifeStore
from index.store.references import ReferenceStore
from index.store.registry_events import RegistryEventStore
from index.store.removals import RemovalStore
from index.store.reports import ReportStore
from index.store.requests import RequestStore
from index.store.resolutions import ResolutionStore
from index.store.reviewers import ReviewerStore
from index.store.rings import RingStore
from index.store.rulings import RulingStore
from index.store.saving import save_database
from index.store.scan_queue import ScanQueueStore
from index.store.scans import ScanStore
from index.store.seller_history import SellerHistoryStore
from index.store.sellers import SellerStore
from index.store.shifts import ShiftStore
from index.store.standings import StandingStore
from index.store.sweeps import SweepStore
from index.store.tables.cases import cases
from index.store.tables.decisions import decisions
from index.store.tables.market import price_observations, sellers
from index.store.tables.references import reference_embeddings, references
from index.store.tables.registry import brands
from index.store.tables.removals import removed_images
from index.store.tallies import TallyStore
from index.store.transfer import copy_database
from index.store.verdicts import VerdictStore
from index.store.volumes import VolumeStore


class Store(
    ChangeStore,
    BrandStore,
    BrandProfileStore,
    RegistryEventStore,
    ReferenceStore,
    ReferenceLifeStore,
    FeatureStore,
    BlobNameStore,
    PriceStore,
    SellerStore,
    TallyStore,
    StandingStore,
    PriorStore,
    IdentityStore,
    RingStore,
    DecisionStore,
    PhotoStore,
    ListingStore,
    SweepStore,
    ScanStore,
    OutcomeStore,
    PolicyStore,
    HoldStore,
    CaseStore,
    RulingStore,
    ResolutionStore,
    BatchStore,
    ReportStore,
    AppealStore,
    RequestStore,
    RemovalStore,
    VerdictStore,
    LearningStore,
    CertificateStore,
    AccessStore,
    AuditCheckStore,
    ScanQueueStore,
    BuyerAdviceStore,
    BrandHitStore,
    NoticeStore,
    ApplicationStore,
    EvidenceStore,
    ErasingStore,
    HistoryStore,
    LegalStepStore,
    VolumeStore,
    JudgementStore,
    QueueCountStore,
    ShiftStore,
    ReviewerStore,
    GoldStore,
    CheckStore,
    CheckAnswerStore,
    SellerHistoryStore,
):
    """The registry. Each base class is one aggregate; a transaction never spans two calls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, path_or_url: str | Path, *, migrate: bool = True, connections: int = CONNECTIONS) -> Self:
        """Open the store in an SQLite file (made when missing) or at a URL such as postgresql+psycopg://HOST/NAME.

        Args:
            path_or_url: where it is.
            migrate: bring an older schema to this release's; False refuses one instead.
            connections: on PostgreSQL, how many this process opens at most (the change feed's comes on top).

        Raises:
            StoreError: it cannot be reached, is damaged, belongs to something else or to a newer release.

        """
        database = Database(path_or_url, connections=connections)
        try:
            ensure_schema(database, migrate=migrate)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Close all connections. No thread may be using the store any more."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The file or URL, fit for messages: without a password."""
        return self._database.name

    def admitting(self, admit: Callable[[], None]) -> None:
        """Have `admit` called before each transaction: what it raises (StoreAway) keeps the transaction from it."""
        self._database.admit = admit

    def ping(self) -> None:
        """Ask the store something small, whatever `admitting` says. Raises StoreError."""
        self._database.ping()

    def reading(self) -> AbstractContextManager[None]:
        """Let this thread's reads in a block see one state of the store, in one transaction. Nothing may be written."""
        return self._database.reading("read the store")

    def observe(self, observer: StoreObserver) -> None:
        """Let somebody know of each transaction from now on."""
        self._database.observer = observer

    def counts(self) -> StoreCounts:
        """Return how much the store holds."""
        active = references.c.state == str(ReferenceState.ACTIVE)
        waiting = cases.c.state == str(CaseState.OPEN)
        with self._database.read("count what is stored") as connection:

            def count(query: Select[Any]) -> int:
                return int(connection.execute(query).scalar_one())

            return StoreCounts(
                brands=count(_all(brands)),
                references=count(_all(references)),
                active_references=count(_all(references).where(active)),
                embeddings=count(_all(reference_embeddings)),
                price_observations=count(_all(price_observations)),
                sellers=count(_all(sellers)),
                decisions=count(_all(decisions)),
                open_cases=count(_all(cases).where(waiting)),
                removed_images=count(_all(removed_images)),
            )

    def condition(self) -> StoreCondition:
        """Return which database this is and how it is set up."""
        return condition_of(self._database)

    @property
    def is_remote(self) -> bool:
        """Whether the database may have another clock than this machine."""
        return self._database.engine.dialect.name != "sqlite"

    def clock(self) -> datetime:
        """Return what time it is to the database."""
        with self._database.read("ask for the time") as connection:
            if not self.is_remote:
                return datetime.now(UTC)
            found: datetime = connection.execute(select(func.now())).scalar_one()
            return found

    def newest_time(self) -> datetime | None:
        """Return the time of the decision that was recorded last, None when there is none."""
        newest = select(decisions.c.create_time).order_by(decisions.c.number.desc()).limit(1)
        with self._database.read("look at the last decision") as connection:
            return connection.execute(newest).scalar_one_or_none()

    def copy_to(self, target: Self) -> dict[str, int]:
        """Copy everything into a store that is still empty, all or nothing; return the rows of each table.

        Raises:
            Conflict: the other store holds something already.
            StoreError: either cannot be read or written, or a table did not arrive whole.

        """
        return copy_database(self._database, target._database)

    def save_to(self, file: Path) -> None:
        """Save everything, as of one moment, into an SQLite file that does not exist yet: itself a store."""
        save_database(self._database, file)

    def sums(self) -> dict[str, TableSum]:
        """Return rows and checksum of each table: equal for equal content, on whatever database. Reads everything."""
        return table_sums(self._database)

    def verify(self) -> None:
        """Read the whole database and check that it is sound. Slow on a large one. Raises StoreError."""
        faults = self._database.faults()
        if faults:
            raise StoreError(f"{self.name}: the database is damaged: {'; '.join(faults[:3])}. Put back a backup of it.")


def _all(table: Table) -> Select[int]:
    return select(func.count()).select_from(table)
