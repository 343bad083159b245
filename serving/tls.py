"""By which certificates does the server speak TLS? Read at start, and again when their files change.

gRPC asks at each handshake, so a rotated certificate is used from the next connection on, without a restart. A pair
that does not fit, as while the two files are being replaced, is not used: the old one stays until the new one is whole.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from serving.errors import SettingsError
from serving.settings import Settings

log = logging.getLogger(__name__)

_State = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class CertificateFiles:
    """Where the certificate chain, its key and the authorities of clients lie; None means any client."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @classmethod
    def of(cls, settings: Settings) -> CertificateFiles | None:
        """Read the settings; None is plaintext. Raises SettingsError when one is set without the other."""
        certificate, key = settings.tls_certificate, settings.tls_key
        if certificate is not None and key is not None:
            return cls(certificate, key, settings.tls_client_ca)
        if certificate is None and key is None and settings.tls_client_ca is None:
            return None
        missing = "tls_key" if key is None else "tls_certificate"
        raise SettingsError(f"{missing} is not set; TLS takes tls_certificate and tls_key together")

    def load(self) -> Certificates:
        """Read the files. Raises SettingsError when one cannot be used or the key is not the certificate's."""
        chain = _certificates(self.certificate)
        content = _read(self.key)
        try:
            key = load_pem_private_key(content, password=None)
        except (ValueError, TypeError) as error:  # TypeError: it takes a password
            raise SettingsError(
                f"{self.key} holds no private key in PEM that can be read without a password"
            ) from error
        spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if key.public_key().public_bytes(*spki) != chain[0].public_key().public_bytes(*spki):
            raise SettingsError(f"{self.key} is not the key of {self.certificate}")
        authorities = None
        if self.client_ca is not None:
            _certificates(self.client_ca)
            authorities = _read(self.client_ca)
        return Certificates(_read(self.certificate), content, authorities, chain[0].not_valid_after_utc)

    def state(self) -> _State:
        """Return what changes whenever a file does."""
        stats = [path.stat() for path in (self.certificate, self.key, self.client_ca) if path is not None]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)


@dataclass(frozen=True)
class Certificates:
    """What was in the files: PEM, and when the server's own certificate ends."""

    chain: bytes
    key: bytes
    authorities: bytes | None
    expire_time: datetime

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """Return what gRPC shows and accepts in handshakes."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], root_certificates=self.authorities)


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """Return credentials that follow their files. Raises SettingsError when they cannot be used at first."""
    follower = _Follower(files)
    return grpc.dynamic_ssl_server_credentials(
        follower.first,
        follower.changed,  # type: ignore[arg-type]  # None, too, as gRPC documents
        require_client_authentication=files.client_ca is not None,
    )


class _Follower:
    """Notices that files have changed. gRPC asks from several threads."""

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        try:
            self._state = files.state()
        except OSError as error:
            raise SettingsError(f"cannot read {error.filename}: {error.strerror}") from error
        self.first = files.load().configuration()

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the new certificates, or None while they are the old ones or cannot be used."""
        with self._lock:
            try:
                state = self._files.state()
                if state == self._state:
                    return None
                self._state = state
                configuration = self._files.load().configuration()
            except (SettingsError, OSError) as error:
                log.error("going on with the old certificate, for the new one cannot be used: %s", error)
                return None
            log.warning("using the new certificate in %s", self._files.certificate)
            return configuration


def _certificates(path: Path) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except ValueError as error:
        raise SettingsError(f"{path} holds no certificate in PEM: {error}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
