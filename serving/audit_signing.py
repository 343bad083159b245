"""Who vouches for the audit log? Its heads are signed with the operator's key, and their signatures checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from index.audit.chain import Head
from index.store.audit import HeadSigner
from index.store.store import Store
from serving.packages.signing import Signer, is_signed


def head_signer(key: Path | None) -> HeadSigner | None:
    """Return what signs heads with the key in a PEM file, the setting `evidence_key`; None without. SettingsError."""
    if key is None:
        return None
    signer = Signer.load(key)
    return HeadSigner(signer.name, signer.sign)


def sealing(store: Store, key: Path | None) -> Callable[[Head | None], Head | None]:
    """Return what chains the entries since, as `index.refresh.Holder` renews its value. Raises SettingsError."""
    signer = head_signer(key)
    return lambda _: store.seal_audit(signer)


def trusted_by(key: Ed25519PublicKey | None) -> Callable[[Head], bool]:
    """Return whether a head is signed by `key`; without one every head is taken as it is."""
    if key is None:
        return lambda _: True
    return lambda head: bool(head.signature) and is_signed(head.statement, bytes.fromhex(head.signature), key)
