"""Which regions of screened listings look like this, on many machines? A `RegionIndex` in Milvus.

One collection for each model. Milvus holds vectors, numbers and digests, no words of anybody's: a listing, a seller or
a brand is known there by a digest, so that nothing a caller writes reaches an expression, and nothing personal leaves
the store. Everything is keyed by the decision's number and the region's row: what is put twice is there once, and an
older decision put late is removed with the next one, and never answered, for the store says which decision counts.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from index.errors import BackendError, ListingIndexError
from index.listing_regions import ListingEntry, RegionHits, ranked_hits
from index.listings import ListingWhere
from index.milvus_rows import ROWS, conditions, create_collection, digest, one_of, rows_of
from index.vectors import check_vectors

if TYPE_CHECKING:
    from pymilvus import MilvusClient

# Milvus' own bound on one answer; a longer one is read in windows of falling similarity.
_MOST_HITS = 16_384
# Regions in one message: with 1,280 values each 5 MB, where gRPC takes 64.
_AT_ONCE = 1_000
# Radius is exclusive and Milvus compares in float32.
_SLACK = 1e-5
_TIMEOUT_S = 10.0


class MilvusRegions:
    """Regions in a Milvus collection. Any number of threads and processes may put, drop and search.

    Strong consistency: who asks sees what was put before, as in the memory of one machine.
    """

    def __init__(self, uri: str, dim: int, *, fingerprint: str, token: str = "", timeout_s: float = _TIMEOUT_S) -> None:
        """Name the server and the model. Nothing is asked of the server before it is needed."""
        self._uri = uri
        self._token = token
        self._dim = dim
        self._timeout_s = timeout_s
        self._client: MilvusClient | None = None
        self._connecting = threading.Lock()
        self.collection = f"touchstone_{digest(fingerprint)[:16]}_{dim}"

    def __len__(self) -> int:
        with self._asking("count regions") as client:
            answer = client.query(self.collection, filter="", output_fields=["count(*)"], timeout=self._timeout_s)
            return int(answer[0]["count(*)"])

    def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def put(self, entries: Sequence[ListingEntry]) -> None:
        """Take listings in, as `RegionIndex.put` says."""
        rows = [row for entry in entries for row in rows_of(entry)]
        with self._asking("put regions") as client:
            for start in range(0, len(rows), _AT_ONCE):
                client.upsert(self.collection, rows[start : start + _AT_ONCE], timeout=self._timeout_s)
            # After the new ones are there: a listing is never without.
            for entry in entries:
                earlier = f'listing == "{digest(entry.listing_id)}" and number < {entry.number}'
                client.delete(self.collection, filter=earlier, timeout=self._timeout_s)

    def drop(self, listing_ids: Sequence[str]) -> None:
        """Let go of listings, as `RegionIndex.drop` says."""
        if listing_ids:
            with self._asking("drop regions") as client:
                for start in range(0, len(listing_ids), _AT_ONCE):
                    among = one_of("listing", listing_ids[start : start + _AT_ONCE])
                    client.delete(self.collection, filter=among, timeout=self._timeout_s)

    def clear(self) -> None:
        """Let go of everything."""
        with self._asking("empty the collection") as client:
            client.drop_collection(self.collection, timeout=self._timeout_s)
        self.close()

    def search(
        self, vectors: NDArray[np.float32], *, marks: bool, at_least: float, most: int, where: ListingWhere
    ) -> RegionHits:
        """Search as `RegionIndex.search` says; what `where` asks is applied before ranking, but for the verdict."""
        check_vectors(vectors, self._dim)
        expression = " and ".join([f"marks == {str(marks).lower()}", *conditions(where)])
        with self._asking("search regions") as client:
            found = [self._nearest(client, vector, expression, at_least, most) for vector in vectors]
        beyond = max((each.beyond for each in found), default=-np.inf)
        keys = np.array([key for each in found for key in each.scores], np.int64)
        scores = np.array([score for each in found for score in each.scores.values()], np.float32)
        counts = (scores >= at_least) & (scores > beyond)
        keys, scores = keys[counts], scores[counts]
        return ranked_hits(keys // ROWS, keys % ROWS, scores, complete=beyond < at_least)

    def _nearest(
        self, client: MilvusClient, vector: NDArray[np.float32], expression: str, at_least: float, most: int
    ) -> _Listed:
        """List regions until `most` decisions are among them, or all that are similar enough."""
        found: dict[int, float] = {}
        below, limit = 1.0 + _SLACK, min(_MOST_HITS, 4 * max(most, 1))
        while True:
            window = self._window(client, vector, expression, (at_least - _SLACK, below), limit)
            new = {key: score for key, score in window.items() if key not in found}
            found |= new
            if len(window) < limit:
                return _Listed(found, -np.inf)
            last = min(window.values())
            decisions = {key // ROWS for key, score in found.items() if score > last}
            if len(decisions) >= most:
                return _Listed(found, last)
            if limit < _MOST_HITS:
                limit = min(_MOST_HITS, 4 * limit)
            elif not new or last >= below - _SLACK:
                raise ListingIndexError(
                    f"More than {_MOST_HITS} regions in Milvus are equally similar ({last:.6f}): narrow the search."
                )
            else:
                below = last + _SLACK

    def _window(
        self,
        client: MilvusClient,
        vector: NDArray[np.float32],
        expression: str,
        between: tuple[float, float],
        limit: int,
    ) -> dict[int, float]:
        within = {"metric_type": "IP", "params": {"radius": between[0], "range_filter": between[1]}}
        (hits,) = client.search(
            self.collection,
            data=[vector.tolist()],
            filter=expression,
            limit=limit,
            search_params=within,
            timeout=self._timeout_s,
        )
        return {int(hit.id): float(hit.distance) for hit in hits}

    @contextlib.contextmanager
    def _asking(self, action: str) -> Iterator[MilvusClient]:
        """Connect when it is the first time, and turn the client's errors into ours."""
        milvus = _import_milvus()
        try:
            with self._connecting:
                if self._client is None:
                    self._client = self._connect(milvus)
                client = self._client
            yield client
        except (milvus.MilvusException, OSError, ValueError) as error:
            raise ListingIndexError(f"Milvus at {self._uri} cannot {action}: {_reason(error)}") from error
        except Exception as error:
            if type(error).__module__.startswith("grpc"):  # which the client lets through
                raise ListingIndexError(f"Milvus at {self._uri} cannot {action}: {_reason(error)}") from error
            raise

    def _connect(self, milvus: Any) -> MilvusClient:
        client: MilvusClient = milvus.MilvusClient(self._uri, token=self._token, timeout=self._timeout_s)
        if not client.has_collection(self.collection, timeout=self._timeout_s):
            create_collection(milvus, client, self.collection, self._dim, self._timeout_s)
        return client


@dataclass(frozen=True, eq=False)
class _Listed:
    """Hits of one vector by their keys, and how similar others may be at most."""

    scores: dict[int, float]
    beyond: float


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _import_milvus() -> Any:
    try:
        import pymilvus
    except ImportError as error:
        raise BackendError(
            "the catalogue backend 'milvus' needs pymilvus, which is not installed: install the extra 'milvus', or "
            "choose the backend 'faiss' or 'exact'"
        ) from error
    return pymilvus
