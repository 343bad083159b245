"""Nothing acknowledged is lost when servers and the builder are killed at random moments, and nothing is left half."""

from __future__ import annotations

import json
import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from index.local_blobs import LocalBlobs
from index.store.store import Store
from tests.integration.registry_crashes import Account, Client, Turmoil, settle
from tests.integration.support import Touchstone
from vision.fake import FakeEmbedder


def test_acknowledged_changes_survive_a_few_kills(tmp_path: Path, touchstone: Touchstone) -> None:
    """Three kills at random moments lose nothing that was acknowledged."""
    _survive(tmp_path / "data", touchstone, kills=3, seed=1)


@pytest.mark.measure
@pytest.mark.timeout(3_000)
def test_acknowledged_changes_survive_two_hundred_kills(tmp_path: Path, touchstone: Touchstone) -> None:
    """Nor do two hundred."""
    _survive(tmp_path / "data", touchstone, kills=200, seed=2)


def _survive(data: Path, touchstone: Touchstone, *, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    client, read = Client(Account(), chance), set[str]()
    fingerprint = FakeEmbedder().fingerprint
    with ExitStack() as resources:
        turmoil = Turmoil(data, chance, resources)
        turmoil.start()
        store = resources.enter_context(Store.open(data / "touchstone.db"))
        client.create_brand(turmoil.servers[0].channel)
        for _ in range(kills):
            turmoil.strike(client)
            settle(client.account, store, LocalBlobs(data / "blobs"), fingerprint=fingerprint, read=read)
            turmoil.start()
            while client.account.uploads_in_doubt:  # asked for again, each is done, and done once
                assert client.upload(turmoil.servers[0].channel, client.account.uploads_in_doubt.pop())
        settle(client.account, store, LocalBlobs(data / "blobs"), fingerprint=fingerprint, read=read)
        assert store.count_references() == len(client.account.active)

    assert client.account.uploads >= kills // 2  # each life is long enough for some, on a busy machine too
    assert touchstone("--data-dir", data, "index", "build").code == 0
    verified = touchstone("--data-dir", data, "--json", "index", "verify")
    assert verified.code == 0
    assert json.loads(verified.stdout)["sound"]
