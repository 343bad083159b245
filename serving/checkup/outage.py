"""Is anything left of the last outage of the store, and is there room for the next? What waits, what was set aside.

The spool's files are read beside a service that may be writing them; none is changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from index.errors import StoreError
from index.store.engine import in_batches
from index.store.store import Store
from serving.errors import ServingError
from serving.outage.looking import look_into
from serving.outage.opening import spool_folder
from serving.outage.set_aside import SetAside
from serving.settings import Settings

# A service records hundreds a second once its store is back: what waits for longer is not being recorded.
_LONG = timedelta(minutes=10)
_NEARLY_FULL = 0.8


def check_spool(
    settings: Settings, open_store: Callable[[], AbstractContextManager[Store]], *, now: datetime | None = None
) -> str:
    """Say what waits to be recorded, and that more can be kept. Raises ServingError, OSError, with the remedy.

    What is on record already is left out, where the store of `open_store` can be asked.
    """
    folder = spool_folder(settings)
    try:
        found = look_into(folder)
    except PermissionError as error:
        raise ServingError(f"{error.filename} may not be read: run the doctor as the service's user") from error
    waiting = _not_on_record(found.decisions, open_store)
    age = (now or datetime.now(UTC)) - min(waiting.values()) if waiting else timedelta(0)
    says = f"{len(waiting)} decisions wait, the oldest for {age.total_seconds():.0f} s" if waiting else "nothing waits"
    faults = [
        *_unwritable(folder),
        *_lack_of_room(folder, found.size, settings.spool_mib * 2**20),
        *_left(folder, found.set_aside),
    ]
    if age > _LONG:
        faults.append(
            f"{says}: bring the store back, and start a service on this data folder, which records them; "
            "the log of one that runs says what keeps it from that"
        )
    if faults:
        raise ServingError("; ".join(faults))
    return (
        says if settings.spool_mib else f"{says}; spool_mib is 0, so that listings are refused while the store is away"
    )


def _not_on_record(
    decisions: Mapping[str, datetime], open_store: Callable[[], AbstractContextManager[Store]]
) -> dict[str, datetime]:
    """Leave out what is on record already: a file is emptied when all of it is."""
    if not decisions:
        return {}
    recorded: set[str] = set()
    try:
        with open_store() as store:
            for batch in in_batches(decisions):
                recorded.update(store.decided(batch))
    except StoreError:  # a check of its own says so
        pass
    return {name: time for name, time in decisions.items() if name not in recorded}


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest above it that there is: one is made only when something must be kept."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _unwritable(folder: Path) -> list[str]:
    there = _nearest(folder)
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return []
    return [f"no decision can be kept in {folder}: let it be a folder of the service's user, who may write there"]


def _lack_of_room(folder: Path, size: int, most: int) -> list[str]:
    if most and size > _NEARLY_FULL * most:
        return [
            f"{folder} holds {size / 2**20:.0f} of {most / 2**20:.0f} MiB, and when it is full listings are refused: "
            "bring the store back, or set spool_mib higher"
        ]
    if (free := shutil.disk_usage(_nearest(folder)).free) < most - size:
        return [f"{folder} may take {(most - size) / 2**20:.0f} MiB more, and {free / 2**20:.0f} are free; make room"]
    return []


def _left(folder: Path, set_aside: int) -> list[str]:
    if not set_aside:
        return []
    return [
        f"{set_aside} decisions could not be recorded and lie in {SetAside(folder).folder}; the log says why of each. "
        f"Mend that and move the file into {folder}, where a service tries it again; a `.damaged` one cannot be read: "
        "have its listing screened again, and delete it"
    ]
