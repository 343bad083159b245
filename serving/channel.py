"""How does a client reach a server? The channel, with TLS and a bearer token where they are wanted.

A token comes from a file, which is read for each call so that a renewed one is used at once, or from the environment;
never from the command line, where every process of the machine could read it. It is sent over TLS, or in plaintext to
this machine alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from serving.errors import SettingsError

TOKEN_VARIABLE = "TOUCHSTONE_TOKEN"  # noqa: S105 - a name
# Whole addresses: "127.0.0.1.example:50051" is somebody else's machine.
_LOOPBACK = re.compile(r"(127(\.[0-9]{1,3}){3}|localhost|\[::1\]):[0-9]+|unix:.*")


@dataclass(frozen=True)
class Credentials:
    """What a client shows. Without `tls`, `ca` or a certificate the channel is plaintext.

    `ca` is a PEM file with the authorities of the server's certificate (unset with `tls`: the ones that gRPC ships);
    `certificate` and `key` are the client's own, for a server that asks for one.
    """

    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token_file: Path | None = None
    token: str = ""

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"Credentials(tls={self.secure}, ca={self.ca}, certificate={self.certificate})"

    @property
    def secure(self) -> bool:
        """Whether the channel speaks TLS."""
        return self.tls or any(path is not None for path in (self.ca, self.certificate, self.key))

    def bearer(self) -> str:
        """Return the token, or "" for none. Raises SettingsError when its file cannot be read."""
        if self.token_file is None:
            return self.token.strip()
        return _read(self.token_file).decode(errors="replace").strip()

    def channel(self, target: str, *, options: Sequence[tuple[str, Any]] = ()) -> grpc.Channel:
        """Open a channel to "host:port".

        Raises:
            SettingsError: a file cannot be read, or the token would leave this machine in plaintext.

        """
        if not self.secure:
            if self.bearer():
                _check_plaintext(target)
            channel = grpc.insecure_channel(target, options=options)
        else:
            channel = grpc.secure_channel(target, self._certificates(), options=options)
        return grpc.intercept_channel(channel, _Bearer(self.bearer)) if self.bearer() else channel

    def shared_channel(self, target: str, *, options: Sequence[tuple[str, Any]] = ()) -> grpc.aio.Channel:
        """Open a channel for callers who each bring a token of their own; this one's is not sent.

        Raises:
            SettingsError: a file cannot be read, or tokens would leave this machine in plaintext.

        """
        if not self.secure:
            _check_plaintext(target)
            return grpc.aio.insecure_channel(target, options=options)
        return grpc.aio.secure_channel(target, self._certificates(), options=options)

    def _certificates(self) -> grpc.ChannelCredentials:
        if (self.certificate is None) != (self.key is None):
            raise SettingsError("a client's certificate and its key go together; name both")
        files = (None if path is None else _read(path) for path in (self.ca, self.key, self.certificate))
        return grpc.ssl_channel_credentials(*files)


def from_environment() -> Credentials:
    """Return what the environment says: a token in TOUCHSTONE_TOKEN, or none."""
    return Credentials(token=os.environ.get(TOKEN_VARIABLE, ""))


class _Details(grpc.ClientCallDetails):
    """A call's details with other metadata."""

    def __init__(self, given: grpc.ClientCallDetails, metadata: tuple[tuple[str, str | bytes], ...]) -> None:
        self.method = given.method
        self.timeout = given.timeout
        self.metadata = metadata
        self.credentials = given.credentials
        self.wait_for_ready = given.wait_for_ready
        self.compression = given.compression


class _Bearer(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Puts the token on each call."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def _call(self, continuation: Any, details: grpc.ClientCallDetails, request: Any) -> Any:
        metadata = (*(details.metadata or ()), ("authorization", f"Bearer {self._token()}"))
        return continuation(_Details(details, metadata), request)

    # Whatever the kind of rpc; its own signature differs in what `request` and the result are.
    intercept_unary_unary = _call  # type: ignore[assignment]
    intercept_unary_stream = _call  # type: ignore[assignment]
    intercept_stream_unary = _call  # type: ignore[assignment]
    intercept_stream_stream = _call  # type: ignore[assignment]


def _check_plaintext(target: str) -> None:
    if _LOOPBACK.fullmatch(target) is None:
        raise SettingsError(f"a token is not sent to {target} in plaintext; use --tls or --tls-ca FILE")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
