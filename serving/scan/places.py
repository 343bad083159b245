"""Where does a scan's file lie, and may it be read? Locations as people write them, and the roots an operator opened.

A location is a path of this machine, a `file://` URL, or a URL of a storage: `s3://`, `gs://`, `az://`, or of a scheme
that one of the roots has. URLs are taken literally: nothing in them is decoded, and `..` is no part of one.
"""

from __future__ import annotations

import errno
import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from serving.errors import SettingsError

OBJECT_STORES = frozenset({"s3", "gs", "az"})
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OPTIONS = frozenset({"endpoint", "region"})
_ROOT = "an absolute path, or a URL such as s3://bucket/prefix?endpoint=https://host&region=name"


@dataclass(frozen=True)
class Place:
    """A path of this machine, absolute, where `scheme` is "file"; otherwise bucket and key, `bucket/key`."""

    scheme: str
    path: str


@dataclass(frozen=True)
class Root:
    """A folder or bucket that scans may read, with everything in it. `options` say how its storage is reached."""

    place: Place
    options: Mapping[str, str] = field(default_factory=dict)

    def holds(self, place: Place) -> bool:
        """Whether a place, its links resolved, lies in it."""
        inside = self.place.path.rstrip("/") + "/"
        return self.place.scheme == place.scheme and (place.path + "/").startswith(inside)


def to_place(location: str) -> Place:
    """Read a location. Raises OSError for one that is none."""
    if not location or _CONTROL.search(location):
        raise refusal(errno.EINVAL, "is empty or holds a control character; correct it", location)
    url = _URL.fullmatch(location)
    if url is None:
        return Place("file", _absolute(location))
    scheme, rest = url[1].lower(), url[2]
    if scheme == "file":
        if not rest.startswith("/"):
            raise refusal(errno.EINVAL, "names a host; write file:///folder/name", location)
        return Place("file", _absolute(rest))
    parts = rest.rstrip("/").split("/")
    if not all(parts) or {".", ".."} & set(parts):
        raise refusal(errno.EINVAL, "has an empty part, '.' or '..' in it; write the whole name", location)
    return Place(scheme, "/".join(parts))


def to_root(text: str) -> Root:
    """Read one of the setting `scan_roots`. Raises SettingsError."""
    base, _, query = text.partition("?") if _URL.fullmatch(text) else (text, "", "")
    options = dict(parse_qsl(query))
    try:
        place = to_place(base)
    except OSError as error:
        raise SettingsError(f"scan_roots: {text!r} {error.strerror}; give {_ROOT}.") from error
    known = _OPTIONS if place.scheme == "s3" else frozenset()
    if not options.keys() <= known or "@" in place.path.split("/")[0]:
        raise SettingsError(f"scan_roots: {base!r} has options or credentials that are not known; give {_ROOT}.")
    if place.scheme == "file":
        return Root(Place("file", os.path.realpath(place.path)))
    return Root(place, options)


def root_of(place: Place, roots: Sequence[Root]) -> Root | None:
    """Return the innermost root that holds a place whose links are resolved; None when there is none."""
    return max((root for root in roots if root.holds(place)), key=lambda root: len(root.place.path), default=None)


def folder_of(location: str) -> Place:
    """Return the folder in which a file lies. Raises OSError for what is no location."""
    place = to_place(location)
    return Place(place.scheme, posixpath.dirname(place.path))


def within(folder: Place, name: str) -> str:
    """Say where a file is that a manifest in a folder names: relative to the folder, or absolute, or by a URL."""
    if name.startswith("/") or ("://" in name and _URL.fullmatch(name)):
        return name
    if folder.scheme == "file":
        return f"{folder.path.rstrip('/')}/{name}"
    return f"{folder.scheme}://{posixpath.normpath(f'{folder.path}/{name}')}"


def suffix_of(location: str) -> str:
    """Return how a location's name ends, in small letters: `.jsonl`."""
    return posixpath.splitext(location.rstrip("/"))[1].lower()


def refusal(code: int, remedy: str, location: str) -> OSError:
    """Make an OSError, FileNotFoundError or PermissionError that says what is wrong with a location."""
    return OSError(code, remedy, location)


def _absolute(path: str) -> str:
    # Not normalised: where a link lies before "..", only the file system knows where that leads.
    return path if path.startswith("/") else f"{Path.cwd()}/{path}"
