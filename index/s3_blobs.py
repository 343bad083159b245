"""How are files of references kept in a bucket? Under their digest and the day of the last put.

    PREFIX/ab/abcd…/2026-03-01

A bucket can neither lock an object nor delete it only if it is old. So nothing is ever renewed: a put writes the name
of its own day, and a collector deletes names of days gone by, which no put touches any more. Whatever the order in
which their requests arrive, a file is there when its put returns. The price is a copy for each day on which the same
file is put, until it is collected.

Credentials come from where the AWS tools look: `AWS_*` in the environment, a web identity, the container's or the
machine's role. Nothing secret stands in the URL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, urlsplit

from index.blobs import Blob, digest_of, is_digest, missing, verified
from index.errors import BlobError

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

_EXAMPLE = "s3://bucket/prefix?endpoint=https://host&region=name"
_TRIES = 3
_PATIENCE = timedelta(seconds=30)


class S3Blobs:
    """A `BlobShelf` in a bucket of S3, or of anything that speaks its protocol; `at` opens one.

    `now` gives the time of a put; the clocks of all writers must agree to within the collector's grace period.
    """

    def __init__(self, store: S3Store, *, name: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._name = name
        self._now = now

    @classmethod
    def at(cls, url: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Self:
        """Open the bucket at a URL. Raises BlobError when it is none."""
        from obstore.store import S3Store

        place = urlsplit(url)
        asked = dict(parse_qsl(place.query))
        if place.scheme != "s3" or not place.hostname or place.username or not asked.keys() <= {"endpoint", "region"}:
            raise BlobError(f"{url!r} is no place for blobs; give a folder, or {_EXAMPLE} (credentials: see the docs)")
        endpoint = asked.get("endpoint", "")
        config: S3Config = {}
        if endpoint:
            config["endpoint"] = endpoint
        if "region" in asked:
            config["region"] = asked["region"]
        with _told(url):
            store = S3Store(
                place.hostname,
                prefix=place.path.strip("/") or None,
                config=config,
                client_options={"allow_http": endpoint.startswith("http://"), "timeout": _PATIENCE},
                retry_config={"max_retries": _TRIES, "retry_timeout": _PATIENCE},
            )
        return cls(store, name=url.partition("?")[0], now=now)

    def put(self, content: bytes) -> str:
        """Keep a file under today's name, unless that is there already. Raises BlobError."""
        import obstore

        sha256 = digest_of(content)
        key = f"{_folder(sha256)}/{self._now().astimezone(UTC).date().isoformat()}"
        with _told(self._name):
            try:
                if obstore.head(self._store, key)["size"] == len(content):
                    return sha256
            except FileNotFoundError:
                pass
            obstore.put(self._store, key, content)
        return sha256

    def get(self, sha256: str) -> bytes:
        """Return a file, verified. Raises BlobMissing, BlobDamaged, BlobError."""
        import obstore

        if not is_digest(sha256):
            raise missing(sha256, where=self._name)
        with _told(self._name):
            for _, key, _ in sorted(self._names(_folder(sha256)), reverse=True):
                try:
                    content = obstore.get(self._store, key).bytes().to_bytes()
                except FileNotFoundError:  # collected since it was listed
                    continue
                return verified(content, sha256, where=self._name)
        raise missing(sha256, where=self._name)

    def blobs(self) -> Iterator[Blob]:
        """Walk over all files, each by the last day of its names. Raises BlobError."""
        with _told(self._name):
            for folder, names in groupby(self._names(None), key=lambda name: name[1].rpartition("/")[0]):
                day, _, size = max(names)
                yield Blob(folder.rpartition("/")[2], size, _end(day))

    def discard(self, sha256: str, *, before: datetime) -> bool:
        """Delete a file's names of the days that were over before a time; True when that were all. Raises BlobError."""
        import obstore

        if not is_digest(sha256):
            return False
        with _told(self._name):
            names = list(self._names(_folder(sha256)))
            old = [key for day, key, _ in names if _end(day) <= before]
            if old:
                obstore.delete(self._store, old)
        return bool(old) and len(old) == len(names)

    def _names(self, folder: str | None) -> Iterator[tuple[date, str, int]]:
        """List the names of one file or of all, in the order of their keys: day, key, size. Foreign ones are passed."""
        import obstore

        for page in obstore.list(self._store, prefix=folder):
            for each in sorted(page, key=lambda found: found["path"]):
                day = _day(each["path"])
                if day is not None:
                    yield day, each["path"], each["size"]


def _folder(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _day(key: str) -> date | None:
    """Read the day off a key of ours; None for any other."""
    shard, _, rest = key.partition("/")
    sha256, _, day = rest.partition("/")
    if not is_digest(sha256) or shard != sha256[:2]:
        return None
    try:
        return date.fromisoformat(day)
    except ValueError:
        return None


def _end(day: date) -> datetime:
    """Say when a day is over: until then its names may be put again."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Turn what the client library says into an error of ours."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        first = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise BlobError(f"{name} cannot be used ({first}); check bucket, endpoint, region and credentials") from error
