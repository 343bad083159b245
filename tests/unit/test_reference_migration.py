"""References of an older release keep their pictures, vectors and origin, up and down."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from index.records import Provenance, ReferenceOrigin, ReferenceState
from index.store import migrate
from index.store.engine import Database
from index.store.store import Store

_OLD = (
    "INSERT INTO brand_references"
    " (reference_id, brand_id, kind, state, image_sha256, source, licence, submitter, notice)"
    " VALUES (?, 'acme', 'logo', ?, 'ab', ?, 'CC0-1.0', ?, ?)"
)


def an_old_store(path: Path) -> Database:
    """Make a store of an older revision with two references, one of them embedded."""
    database = Database(path)
    migrate.upgrade(database, "0008")
    with sqlite3.connect(path) as file:
        file.execute("INSERT INTO brands (brand_id, name, lists_sellers) VALUES ('acme', 'Acme', 0)")
        file.execute(_OLD, ("seeded", "active", "seed catalogue (Simple Icons)", "", ""))
        file.execute(_OLD, ("imported", "retired", "shoe.png", "anna", "a notice"))
        vector = np.array([0.6, 0.8], "<f4").tobytes()
        file.execute("INSERT INTO reference_embeddings VALUES ('model', 'seeded', 0, 2, ?)", (vector,))
    file.close()
    return database


def test_references_of_an_older_release_say_where_they_come_from(tmp_path: Path) -> None:
    """A mark of the seed catalogue is known as one, another's source was a file; nothing else of it is lost."""
    an_old_store(tmp_path / "store.db").close()

    before = datetime.now(UTC)
    with Store.open(tmp_path / "store.db") as store:
        seeded, imported = store.get_reference("seeded"), store.get_reference("imported")
        vectors = [embedding.vector.tolist() for embedding in store.embeddings_of("seeded", "model")]

    assert seeded.provenance == Provenance(
        origin=ReferenceOrigin.SEED, source_id="seed catalogue (Simple Icons)", licence="CC0-1.0"
    )
    assert imported.provenance == Provenance(
        file_name="shoe.png", licence="CC0-1.0", uploaded_by="anna", note="a notice"
    )
    assert (seeded.state, imported.state) == (ReferenceState.ACTIVE, ReferenceState.RETIRED)
    assert (seeded.revision, seeded.bank_id, seeded.scope, seeded.width) == (0, "", None, 0)
    assert seeded.create_time is not None
    assert abs(seeded.create_time - before) < timedelta(minutes=5)
    assert vectors == [[np.float32(0.6), np.float32(0.8)]]


def test_going_back_keeps_references_and_their_vectors(tmp_path: Path) -> None:
    """The older schema gets its own columns back; what it does not know, rejection, becomes its nearest kin."""
    database = an_old_store(tmp_path / "store.db")
    migrate.upgrade(database)
    with sqlite3.connect(tmp_path / "store.db") as file:
        file.execute("UPDATE brand_references SET state = 'rejected' WHERE reference_id = 'seeded'")
    file.close()

    migrate.downgrade(database, "0009")
    database.close()

    with sqlite3.connect(tmp_path / "store.db") as file:
        rows = file.execute(
            "SELECT reference_id, state, source, submitter, notice FROM brand_references ORDER BY reference_id"
        ).fetchall()
        ((embeddings,),) = file.execute("SELECT count(*) FROM reference_embeddings").fetchall()
    file.close()
    assert rows == [
        ("imported", "retired", "shoe.png", "anna", "a notice"),
        ("seeded", "retired", "seed catalogue (Simple Icons)", "", ""),
    ]
    assert embeddings == 1
