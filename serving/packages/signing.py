"""Who made an evidence package? A detached Ed25519 signature (RFC 8032) over its checksums, by the operator's key.

The signature is 64 bytes, in `SHA256SUMS.sig` beside what it is over: openssl checks it without Touchstone, and whoever
changes a package and its checksums cannot sign them anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from index.blobs import digest_of
from serving.errors import PackageError, SettingsError


@dataclass(frozen=True)
class Signer:
    """Signs packages with the operator's key."""

    _key: Ed25519PrivateKey

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a private key from a PEM file without a password. Raises SettingsError."""
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SettingsError(f"evidence_key: {path} holds no private key that can be read: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            remedy = f"make one with 'openssl genpkey -algorithm ed25519 -out {path.name}'"
            raise SettingsError(f"evidence_key: {path} holds no Ed25519 key; {remedy}")
        return cls(key)

    @property
    def name(self) -> str:
        """What a package says of its signer: the SHA-256 of the public key, as DER."""
        key = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"ed25519 sha256:{digest_of(key)}"

    def sign(self, content: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        return self._key.sign(content)


def load_public_key(path: Path) -> Ed25519PublicKey:
    """Read the public key that a signature is checked with. Raises PackageError."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PackageError(f"{path} holds no public key in PEM that can be read: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise PackageError(f"{path} holds no Ed25519 public key; ask who sent the package for theirs")
    return key


def is_signed(content: bytes, signature: bytes, key: Ed25519PublicKey) -> bool:
    """Tell whether a signature is the key's over what it came with."""
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
