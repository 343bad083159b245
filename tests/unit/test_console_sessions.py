"""Does a session end when it should, and can nobody make one? The sealed cookie by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from serving.console.opening import sessions_of
from serving.console.sessions import IDLE_S, LONGEST_S, MAX_TOKEN_CHARACTERS, RENEW_S, Credential, Sessions
from serving.errors import SettingsError
from serving.settings import Settings

SECRET = "0123456789abcdef0123456789abcdef"
ANN = Credential(token="tsk_1_2")


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give a clock."""
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    """Give sessions by that clock."""
    return Sessions(SECRET, clock=clock)


def test_a_session_comes_back_as_it_was(sessions: Sessions) -> None:
    """What was sealed is opened whole, and is sealed anew only after a minute."""
    session = sessions.begin(ANN)

    assert sessions.open(sessions.seal(session)) == (session, False)


def test_a_session_in_use_is_renewed(sessions: Sessions, clock: Clock) -> None:
    """After a minute it is to be sealed anew; used now and then, it lasts, but no longer than half a day."""
    session = sessions.begin(ANN)
    cookie = sessions.seal(session)
    clock.now += RENEW_S
    assert sessions.open(cookie) == (session, True)

    for _ in range(LONGEST_S // (IDLE_S - 1)):
        cookie = sessions.seal(session)
        clock.now += IDLE_S - 1
        if clock.now - session.begin < LONGEST_S:
            assert sessions.open(cookie) == (session, True)
    clock.now = session.begin + LONGEST_S

    assert sessions.open(sessions.seal(session)) is None


def test_a_session_that_is_left_alone_ends(sessions: Sessions, clock: Clock) -> None:
    """Half an hour without a page is its end."""
    cookie = sessions.seal(sessions.begin(ANN))

    clock.now += IDLE_S + 1

    assert sessions.open(cookie) is None


def test_one_that_was_signed_out_is_refused(sessions: Sessions, clock: Clock) -> None:
    """A copy of its cookie opens nothing, also an older one; others go on."""
    session, other = sessions.begin(ANN), sessions.begin(ANN)
    cookies = [sessions.seal(session), sessions.seal(other)]

    sessions.end(session)

    assert sessions.open(cookies[0]) is None
    assert sessions.open(cookies[1]) == (other, False)


def test_signing_out_takes_no_longer_the_more_people_did(sessions: Sessions, clock: Clock) -> None:
    """Twenty thousand in one morning are a matter of moments, and all of them are refused until they end anyway."""
    ended = [sessions.begin(ANN) for _ in range(20_000)]
    began = time.process_time()

    for session in ended:
        clock.now += 0.5
        sessions.end(session)
        sessions.end(session)
    spent = time.process_time() - began

    assert spent < 2.0
    assert all(sessions.open(sessions.seal(session)) is None for session in ended[::1_000])


@pytest.mark.parametrize("place", [0, 10, 60, -5])
def test_a_changed_cookie_opens_nothing(sessions: Sessions, place: int) -> None:
    """Neither does one from another secret, nor another sealed value in its place."""
    cookie = sessions.seal(sessions.begin(ANN))
    changed = list(cookie)
    changed[place] = "A" if changed[place] != "A" else "B"

    assert sessions.open("".join(changed)) is None
    assert sessions.open("") is None
    assert sessions.open("ünsinn") is None
    assert Sessions("x" * 32).open(cookie) is None
    assert sessions.open(sessions.seal_value("flash", {"begin": 1_000_000.0})) is None


def test_replicas_with_one_secret_know_each_others_sessions(sessions: Sessions, clock: Clock) -> None:
    """The same secret opens; without a secret each process has its own."""
    session = sessions.begin(ANN)

    assert Sessions(SECRET, clock=clock).open(sessions.seal(session)) == (session, False)
    assert Sessions(clock=clock).open(Sessions(clock=clock).seal(session)) is None


def test_each_session_is_new(sessions: Sessions) -> None:
    """Two sign-ins of one person share nothing that could be known beforehand."""
    first, second = sessions.begin(ANN), sessions.begin(ANN)

    assert first.session_id != second.session_id
    assert first.csrf != second.csrf


def test_the_longest_token_fits_a_cookie(sessions: Sessions) -> None:
    """Browsers keep 4,096 bytes of name, value and attributes."""
    cookie = sessions.seal(sessions.begin(Credential(token="x" * MAX_TOKEN_CHARACTERS)))

    assert len(cookie) < 3_950
    assert "x" * 8 not in repr(Credential(token="x" * MAX_TOKEN_CHARACTERS))


def test_a_short_secret_is_refused() -> None:
    """What could be guessed seals nothing, and the message does not repeat it."""
    with pytest.raises(SettingsError, match="has 5 characters") as refused:
        sessions_of(Settings(console_secret=SecretStr("guess")))

    assert "guess" not in str(refused.value)
