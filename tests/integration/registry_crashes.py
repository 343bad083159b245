"""What does kill -9 cost the registry? Uploads and retirements go on while servers and the builder are killed.

`Account` remembers what was acknowledged. After each kill the store is read beside whatever still runs: all of that is
there, what was under way is there whole or not at all, and asked for again under the same key it is done once.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from index.blobs import BlobStore
from index.records import Reference, ReferenceState
from index.store.store import Store
from tests.integration.processes import Process, Replica, replica, touchstone_process
from tests.integration.support import PATIENCE_S, draw
from touchstone.moderation.v1 import brand_pb2, evidence_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub

BRAND_ID = "turmoil"
_EDGE = 64
_STATES = tuple(ReferenceState)


@dataclass
class Account:
    """What clients were told: references by id with their last acknowledged state, and what nobody answered."""

    states: dict[str, ReferenceState] = field(default_factory=dict)
    uploads_in_doubt: list[int] = field(default_factory=list)  # by the seed of their picture
    retirements_in_doubt: set[str] = field(default_factory=set)
    uploads: int = 0
    retirements: int = 0

    @property
    def active(self) -> list[str]:
        """The references that are known to be active."""
        return [key for key, state in self.states.items() if state is ReferenceState.ACTIVE]


@dataclass(frozen=True)
class Client:
    """A brand owner who uploads and retires, and keeps account."""

    account: Account
    chance: random.Random

    def create_brand(self, channel: grpc.Channel) -> None:
        """Create the brand that all is about."""
        brand = brand_pb2.Brand(brand_id=BRAND_ID, name="Turmoil")
        BrandServiceStub(channel).CreateBrand(pb.CreateBrandRequest(brand=brand), timeout=PATIENCE_S)

    def act(self, channel: grpc.Channel) -> bool:
        """Upload or retire something; tell whether there was an answer."""
        active = self.account.active
        if active and self.chance.random() < 0.3:
            return self._retire(channel, self.chance.choice(active))
        return self.upload(channel, self.account.uploads)

    def upload(self, channel: grpc.Channel, seed: int) -> bool:
        """Upload the picture drawn from a seed, under a key of its own; tell whether there was an answer."""
        header = pb.UploadReferenceHeader(
            brand_id=BRAND_ID, kind=evidence_pb2.REFERENCE_KIND_PRODUCT, request_id=f"picture-{seed}"
        )
        parts = (
            pb.UploadReferenceRequest(header=header),
            pb.UploadReferenceRequest(chunk=draw(1_000 + seed, edge=_EDGE)),
        )
        self.account.uploads = max(self.account.uploads, seed + 1)
        try:
            (result,) = BrandServiceStub(channel).UploadReference(iter(parts), timeout=PATIENCE_S).results
        except grpc.RpcError as error:
            _expect_unavailable(error)
            self.account.uploads_in_doubt.append(seed)
            return False
        assert result.HasField("reference"), result.error
        self.account.states.setdefault(result.reference.reference_id, _state(result.reference))
        return True

    def _retire(self, channel: grpc.Channel, reference_id: str) -> bool:
        request = pb.RetireReferenceRequest(reference_id=reference_id)
        self.account.retirements += 1
        try:
            BrandServiceStub(channel).RetireReference(request, timeout=PATIENCE_S)
        except grpc.RpcError as error:
            _expect_unavailable(error)
            del self.account.states[reference_id]
            self.account.retirements_in_doubt.add(reference_id)
            return False
        self.account.states[reference_id] = ReferenceState.RETIRED
        return True


@dataclass
class Turmoil:
    """Two servers and a builder on one data folder, of which any may be killed; each comes back."""

    data: Path
    chance: random.Random
    resources: ExitStack
    servers: list[Replica] = field(default_factory=list)
    builder: Process | None = None

    def start(self) -> None:
        """Start whatever does not run."""
        self.servers = [each for each in self.servers if each.process.alive]
        while len(self.servers) < 2:
            started = replica(self.data, refresh_s=0.2, points="none")
            self.servers.append(self.resources.enter_context(started))
        if self.builder is None or not self.builder.alive:
            following = ("index", "build", "--follow", "--changes", "1")
            self.builder = self.resources.enter_context(touchstone_process(self.data, *following, refresh_s=0.02))

    def strike(self, client: Client) -> None:
        """Kill one process a random moment from now, while the client goes on with one of the servers."""
        server = self.chance.choice(self.servers)
        victim = self.chance.choice((server.process, server.process, self.builder))
        assert victim is not None
        timer = threading.Timer(self.chance.uniform(0.0, 0.6), victim.popen.kill)
        timer.start()
        while victim.popen.poll() is None and client.act(server.channel):
            pass
        timer.join()
        victim.popen.wait(PATIENCE_S)


def settle(account: Account, store: Store, blobs: BlobStore, *, fingerprint: str, read: set[str]) -> None:
    """Hold the store against the account, and take up in it what became of retirements in doubt.

    Files that were `read` once are not read again.
    """
    stored = {one.reference_id: (one, vectors) for one, vectors in store.iter_references(fingerprint, states=_STATES)}
    missing = [key for key in (*account.states, *account.retirements_in_doubt) if key not in stored]
    assert not missing, f"acknowledged and lost: {missing}"
    changed = {key: stored[key][0].state for key, state in account.states.items() if stored[key][0].state is not state}
    assert not changed, f"acknowledged and undone: {changed}"
    for key in account.retirements_in_doubt:
        account.states[key] = stored[key][0].state
    account.retirements_in_doubt.clear()
    halves = [key for key, (_, vectors) in stored.items() if not vectors]
    assert not halves, f"stored without embeddings: {halves}"
    assert store.known_features(stored) == stored.keys()
    _read_files([one for one, _ in stored.values() if one.reference_id not in read], blobs)
    read.update(stored)


def _read_files(references: Sequence[Reference], blobs: BlobStore) -> None:
    for one in references:
        blobs.get(one.image_sha256)


def _state(reference: brand_pb2.Reference) -> ReferenceState:
    return ReferenceState[brand_pb2.ReferenceState.Name(reference.state).removeprefix("REFERENCE_STATE_")]


def _expect_unavailable(error: grpc.RpcError) -> None:
    """Let pass only what a client of a killed server sees."""
    assert error.code() is grpc.StatusCode.UNAVAILABLE, error
