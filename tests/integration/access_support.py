"""What do the suites about access share? An authority that signs certificates, an issuer of tokens, and who calls."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

ISSUER, AUDIENCE = "https://id.example", "touchstone"


@dataclass(frozen=True)
class Authority:
    """Signs certificates. Everything that it makes is a file in `folder`."""

    folder: Path
    name: str = "ca"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def ca(self) -> Path:
        """The authority's own certificate."""
        path = self.folder / f"{self.name}.pem"
        if not path.exists():
            signed = self._signed(self.name, self.key, ends=timedelta(days=365), authority=True)
            path.write_bytes(signed.public_bytes(Encoding.PEM))
        return path

    def issue(
        self, name: str, *, file: str = "", ends: timedelta = timedelta(days=90), alternative: bool = True
    ) -> tuple[Path, Path]:
        """Make a certificate for a name and 127.0.0.1, and its key; an old pair of the same `file` is replaced."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = self._signed(name, key, ends=ends, alternative=alternative)
        certificate_path, key_path = (self.folder / f"{file or name}.{kind}" for kind in ("pem", "key"))
        key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        certificate_path.write_bytes(signed.public_bytes(Encoding.PEM))
        return certificate_path, key_path

    def _signed(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        ends: timedelta,
        authority: bool = False,
        alternative: bool = True,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, self.name))
        builder = (
            x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if alternative and not authority:
            names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())


@dataclass
class Issuer:
    """Issues tokens, and publishes the keys that verify them in a file."""

    jwks: Path
    keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)

    def new_key(self, key_id: str) -> None:
        """Make a key, without publishing it."""
        self.keys[key_id] = ec.generate_private_key(ec.SECP256R1())

    def publish(self, *key_ids: str) -> None:
        """Write the key set: these keys."""
        entries = [
            json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.keys[one].public_key())) | {"kid": one, "alg": "ES256"}
            for one in key_ids
        ]
        self.jwks.write_text(json.dumps({"keys": entries}))

    def token(self, sub: str | None = "ann", *, key_id: str = "k1", lasts_s: float = 600, **claims: Any) -> str:
        """Issue a token; a claim that is None is left out."""
        now = datetime.now(UTC)
        every = {"iss": ISSUER, "aud": AUDIENCE, "sub": sub, "exp": now + timedelta(seconds=lasts_s)} | claims
        present = {name: value for name, value in every.items() if value is not None}
        return jwt.encode(present, self.keys[key_id], algorithm="ES256", headers={"kid": key_id})


def issuer_at(folder: Path) -> Issuer:
    """Make an issuer with one published key, k1."""
    issuer = Issuer(folder / "jwks.json")
    issuer.new_key("k1")
    issuer.publish("k1")
    return issuer


def access_file(folder: Path, **fields: Any) -> Path:
    """Write an access file."""
    path = folder / "access.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


def token_rules(**more: Any) -> dict[str, Any]:
    """Give the rules of an access file for tokens of `issuer_at`'s issuer, in the same folder."""
    return {"jwks": "jwks.json", "issuer": ISSUER, "audience": AUDIENCE, "leeway_s": 0} | more


def bearer(token: str) -> tuple[tuple[str, str | bytes], ...]:
    """Give the metadata of a call with a token."""
    return (("authorization", f"Bearer {token}"),)
