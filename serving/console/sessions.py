"""Who has signed in? A session in the browser's own cookie, sealed: nobody but this console reads or makes one.

The seal is Fernet (AES-128-CBC under HMAC-SHA-256), which also carries the time of its making: a session that is not
used for `IDLE_S` ends, and every one ends `LONGEST_S` after it began. Signing in makes a new session with new random
parts, whatever cookie came with the request, so nobody can be given a session to sign in to. One that was signed out is
refused until it would have ended anyway, by the process that signed it out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from heapq import heappop, heappush

from cryptography.fernet import Fernet, InvalidToken

from serving.access.caller import ACTOR, BRANDS, ROLES

IDLE_S = 30 * 60
LONGEST_S = 12 * 60 * 60
# How far the clocks of replicas may be apart.
_SKEW_S = 60
# A session in use is sealed anew this often, not with every page.
RENEW_S = 60
# Sealed and encoded, with the rest of a session, it must fit a cookie, of which browsers keep 4,096 bytes.
MAX_TOKEN_CHARACTERS = 2_600

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Credential:
    """What the service is shown with each call: a bearer token, or a name where nobody has to sign in."""

    token: str = ""
    name: str = ""
    role: str = ""
    brands: str = ""  # ids, separated by commas

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"Credential(name={self.name!r}, role={self.role!r})"

    @property
    def metadata(self) -> Metadata:
        """Metadata of a call."""
        if self.token:
            return (("authorization", f"Bearer {self.token}"),)
        sent = ((ACTOR, self.name), (ROLES, self.role), (BRANDS, self.brands))
        return tuple((key, value) for key, value in sent if value)


@dataclass(frozen=True)
class Session:
    """One visit: `begin` in seconds since 1970; `csrf` proves that a form is ours. A visitor's has no credential."""

    begin: float
    credential: Credential | None = None
    session_id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))


class Sessions:
    """Seals sessions and opens them again. Thread-safe. `clock` gives seconds since 1970."""

    def __init__(self, secret: str = "", *, clock: Callable[[], float] = time.time) -> None:
        """Without a secret, sessions end with this process."""
        digest = (
            hashlib.sha256(b"touchstone console\0" + secret.encode()).digest() if secret else secrets.token_bytes(32)
        )
        self._seal = Fernet(base64.urlsafe_b64encode(digest))
        self._clock = clock
        self._ended: set[str] = set()
        self._by_end: list[tuple[float, str]] = []  # a heap: when each of them would have ended anyway
        self._lock = threading.Lock()

    def begin(self, credential: Credential | None = None) -> Session:
        """Begin a session; all its random parts are new."""
        return Session(self._clock(), credential)

    def seal(self, session: Session) -> str:
        """Write a session as a cookie's value, used now."""
        return self.seal_value("session", asdict(session))

    def open(self, cookie: str) -> tuple[Session, bool] | None:
        """Read a session, and whether it should be sealed anew; None for one that has ended or is not ours."""
        document = self.open_value("session", cookie, lasts_s=IDLE_S)
        if not isinstance(document, dict):
            return None
        credential = document.pop("credential")
        session = replace(Session(**document), credential=Credential(**credential) if credential else None)
        now = self._clock()
        with self._lock:
            ended = session.session_id in self._ended
        if ended or not -_SKEW_S <= now - session.begin < LONGEST_S:
            return None
        return session, now - self._seal.extract_timestamp(cookie.encode()) >= RENEW_S

    def end(self, session: Session) -> None:
        """Refuse a session from now on."""
        now = self._clock()
        with self._lock:
            while self._by_end and self._by_end[0][0] <= now:
                self._ended.discard(heappop(self._by_end)[1])
            if session.session_id not in self._ended:
                self._ended.add(session.session_id)
                heappush(self._by_end, (session.begin + LONGEST_S, session.session_id))

    def seal_value(self, kind: str, value: object) -> str:
        """Seal any JSON value; it can be opened as of the same kind only."""
        return self._seal.encrypt_at_time(json.dumps([kind, value]).encode(), int(self._clock())).decode()

    def open_value(self, kind: str, sealed: str, *, lasts_s: int) -> object:
        """Open what was sealed at most `lasts_s` seconds ago; None when it was not, or not here."""
        try:
            opened = json.loads(self._seal.decrypt_at_time(sealed.encode(), lasts_s, int(self._clock())))
        except (InvalidToken, ValueError):
            return None
        return opened[1] if opened[0] == kind else None
