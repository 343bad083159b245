"""Where can a store be kept? A path or URL, as people write it, becomes the URL of a database. Part of `engine`."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from index.errors import StoreError

# Of libpq's options, those that are passwords: a URL's query may carry them, too.
_SECRET_OPTIONS = frozenset({"password", "sslpassword"})


def parse_place(path_or_url: str | Path) -> URL:
    """Return the URL of the database that a path or a URL names. Raises StoreError, without quoting the URL."""
    text = str(path_or_url)
    if "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not `from error`: the library's message quotes the URL, in which a password may stand.
        raise StoreError(
            "The store's URL cannot be read; write sqlite:///FILE or postgresql+psycopg://HOST/NAME."
        ) from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"The store cannot be kept in {url.get_backend_name()!r}; choose sqlite or postgresql.")
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")  # the driver that is installed
    return url


def name_of(url: URL) -> str:
    """Return the URL as it may stand in messages: without passwords."""
    hidden = dict.fromkeys(_SECRET_OPTIONS & url.query.keys(), "***")
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def prepare_file(url: URL) -> Path:
    """Make the file of an SQLite database, for its owner alone, unless it is there. Raises StoreError."""
    if url.database in (None, "", ":memory:"):
        raise StoreError("The store needs a file: in memory, each thread would see a database of its own. Name a path.")
    path = Path(str(url.database))
    if path.is_dir():
        raise StoreError(f"{path} is a folder; name a file in it, such as {path / 'touchstone.db'}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():  # for its owner alone: it holds who sellers are, and the secrets of audits
            path.touch(mode=0o600)
    except OSError as error:
        raise StoreError(f"{path}: it cannot be made there: {error.strerror}; choose another place.") from error
    return path
