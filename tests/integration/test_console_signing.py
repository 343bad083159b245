"""Who gets into the console? Keys, names and proxies; sessions that end; forms that are not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from serving.access.api_keys import make_key
from serving.app import Application, open_application
from serving.console.sessions import MAX_TOKEN_CHARACTERS
from tests.integration.access_support import Authority, access_file
from tests.integration.console_support import Console, console_running
from tests.integration.support import PATIENCE_S, settings_at

Open = Callable[..., AbstractContextManager[Console]]
ORIGIN = "https://evil.example"


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Open an application without references."""
    settings = settings_at(tmp_path_factory.mktemp("signing")).model_copy(update={"points": "none", "refresh_s": 0.1})
    with open_application(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def console(event_loop_thread: asyncio.AbstractEventLoop, application: Application) -> Iterator[Console]:
    """Serve a console where nobody has to show a credential."""
    with console_running(event_loop_thread, application) as running:
        yield running


@pytest.fixture
def guarded(event_loop_thread: asyncio.AbstractEventLoop, application: Application, tmp_path: Path) -> Open:
    """Serve a console with an access file of these fields."""

    @contextmanager
    def opened(*, tls: bool = False, settings: dict[str, Any] | None = None, **fields: Any) -> Iterator[Console]:
        authority = Authority(tmp_path)
        certificate, key = authority.issue("localhost") if tls else (None, None)
        changed = {"access": access_file(tmp_path, **fields), "tls_certificate": certificate, "tls_key": key}
        changed |= settings or {}
        guarded = replace(application, settings=application.settings.model_copy(update=changed))
        with console_running(event_loop_thread, guarded, ca=authority.ca if tls else None) as running:
            yield running

    return opened


def new_key(application: Application, *roles: str) -> tuple[str, str]:
    """Put an API key on record: its id, and what its owner types."""
    made = make_key(
        name="ann",
        roles=frozenset(roles),
        brands=frozenset(),
        created_by="test",
        now=datetime.now(UTC),
        expire_time=None,
    )
    application.store.add_key(made.key)
    return made.key.key_id, made.text


def until(true: Callable[[], bool]) -> None:
    """Ask again until something is true; each question is a request, so none of them is for free."""
    patience = datetime.now(UTC).timestamp() + PATIENCE_S
    while not true():
        assert datetime.now(UTC).timestamp() < patience, "it did not come true"


# --- in and out ------------------------------------------------------------------------------------------------------


def test_a_key_opens_the_console_until_it_is_revoked(guarded: Open, application: Application) -> None:
    """A wrong key is told so, a right one opens what its role may see; revoked, each page leads to the sign-in."""
    with guarded(api_keys=True) as console:
        key_id, key = new_key(application, "moderator")
        visitor = console.visitor()
        form = visitor.get("/sign-in").text
        wrong = visitor.post("/sign-in", token="tsk_ffff_wrong")
        until(lambda: visitor.post("/sign-in", token=key).status_code == 303)

        assert 'name="token"' in form
        assert 'name="role"' not in form
        assert (wrong.status_code, "tsk_ffff" in wrong.text) == (401, False)
        assert "ann" in visitor.get("/").text
        assert visitor.get("/queue").status_code == 200

        application.store.revoke_key(key_id, actor="test", time=datetime.now(UTC))
        until(lambda: visitor.get("/queue").status_code == 303)
        assert visitor.get("/queue?state=OPEN").headers["location"] == "/sign-in?next=%2Fqueue%3Fstate%3DOPEN"


@pytest.mark.parametrize("known_by", ["api_keys", "proxy"])
def test_a_name_is_no_credential_where_one_is_needed(guarded: Open, known_by: str) -> None:
    """Whoever sends the form of the other kind is refused, also where the service believes a proxy in this process."""
    with guarded(**{known_by: True}) as console:
        assert console.visitor().post("/sign-in", name="ann", role="admin").status_code == 401
        assert console.visitor().get("/queue").status_code == 303


def test_who_signs_in_by_name_has_that_role(console: Console) -> None:
    """The service holds the person to the role that was chosen."""
    moderator, owner = console.person("ann", "moderator"), console.person("olga", "brand-owner")

    assert moderator.get("/queue").status_code == 200
    assert owner.get("/queue").status_code == 403
    assert moderator.get("/sign-in?next=/help").headers["location"] == "/help"


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"name": "ann"},
        {"name": "ann", "role": "pipeline"},
        {"name": "Zoë", "role": "lead"},
        {"name": "a\nb", "role": "lead"},
        {"token": "x" * (MAX_TOKEN_CHARACTERS + 1)},
    ],
)
def test_what_cannot_be_a_credential_is_told(console: Console, typed: dict[str, str]) -> None:
    """Nothing typed, no role, one without pages, letters that no header carries, or too long: the form says which."""
    answer = console.visitor().post("/sign-in", **typed)

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_signing_out_ends_the_session_everywhere(console: Console) -> None:
    """The browser forgets the cookie, and a copy of it opens nothing."""
    ann = console.person()
    copy = console.visitor()
    copy.client.cookies.update(ann.client.cookies)
    assert copy.get("/queue").status_code == 200

    left = ann.post("/sign-out")

    assert left.headers["location"] == "/sign-in"
    assert "You are signed out" in ann.get("/sign-in").text
    assert ann.get("/queue").status_code == 303
    assert copy.get("/queue").status_code == 303


def test_a_session_cannot_be_given_to_somebody(console: Console) -> None:
    """The session that a browser brings to the sign-in is not the one that it leaves with, and is ended."""
    attacker = console.visitor()
    token = attacker.token()
    victim = console.visitor()
    victim.client.cookies.update(attacker.client.cookies)

    victim.client.post("/sign-in", data={"csrf": token, "name": "ann", "role": "lead"})

    assert victim.get("/queue").status_code == 200
    assert attacker.get("/queue").status_code == 303
    assert attacker.client.post("/choose", data={"csrf": token, "theme": "dark"}).status_code == 403


def test_a_changed_cookie_is_nobodys(console: Console) -> None:
    """A cookie that was not sealed here opens nothing and breaks nothing."""
    visitor = console.visitor(cookie="touchstone=gAAAAABmadeup; touchstone-flash=x; touchstone-zone=../../etc")

    assert visitor.get("/queue").status_code == 303
    assert visitor.get("/help").status_code == 200


def test_cookies_over_tls_are_for_this_host_alone(guarded: Open, application: Application) -> None:
    """With TLS the cookie has the prefix that binds it to the host; scripts never see it; mails' links keep it."""
    with guarded(tls=True, api_keys=True) as console:
        _, key = new_key(application, "lead")
        visitor = console.visitor()
        until(lambda: visitor.post("/sign-in", token=key).status_code == 303)
        (cookie,) = [one for one in visitor.client.cookies.jar if one.name.startswith("__Host-")]
        set_by = visitor.post("/sign-in", token=key).headers.get_list("set-cookie")

        assert (cookie.secure, cookie.path, cookie.domain_specified) == (True, "/", False)
        assert any("__Host-touchstone=" in one and "HttpOnly" in one and "SameSite=lax" in one for one in set_by)
        assert visitor.get("/queue").headers["strict-transport-security"]


# --- a proxy that signs people in ------------------------------------------------------------------------------------


def test_a_proxy_is_believed_only_when_the_console_is_told_to(guarded: Open, application: Application) -> None:
    """Its headers say who somebody is; without the setting they are nothing."""
    known = {"touchstone-actor": "paula", "touchstone-roles": "moderator"}
    with guarded(proxy=True, settings={"console_proxy": "loopback"}) as console:
        believed = console.visitor(**known)
        assert "paula" in believed.get("/").text
        assert believed.post("/queue/next").headers["location"] == "/queue"
        assert console.visitor().get("/queue").status_code == 303
        # Proxies say for whom they ask; that they are on this machine is seen all the same.
        forwarded = console.visitor(**known, **{"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"})
        answer = forwarded.get("/")
        assert "paula" in answer.text
        assert "strict-transport-security" in answer.headers
    with guarded(proxy=True) as console:
        assert console.visitor(**known).get("/queue").status_code == 303


# --- forms that are not ours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "origin": ORIGIN},
    ],
)
def test_a_form_from_elsewhere_is_refused(console: Console, headers: dict[str, str]) -> None:
    """Whatever token it has: the browser says where it comes from."""
    ann = console.person()
    data = {"csrf": ann.token(), "theme": "dark"}

    assert ann.client.post("/choose", data=data, headers=headers).status_code == 403
    assert ann.client.post("/choose", data=data).status_code == 303


def test_an_old_browser_is_known_by_its_origin(console: Console) -> None:
    """Where Sec-Fetch-Site is not sent, Origin must be this very address."""
    ann = console.person()
    data = {"csrf": ann.token(), "theme": "dark"}
    del ann.client.headers["sec-fetch-site"]

    codes = [
        ann.client.post("/choose", data=data, headers={"origin": one} if one else {}).status_code
        for one in (ORIGIN, "null", "", f"{console.url}0", console.url)
    ]

    assert codes == [403, 403, 403, 403, 303]


def test_a_form_needs_the_token_of_its_own_session(console: Console) -> None:
    """Without one, with another's or with an old one it is refused; htmx may send it as a header."""
    ann, bob = console.person("ann"), console.person("bob")
    stolen = bob.token()

    assert ann.client.post("/queue/next").status_code == 403
    assert ann.client.post("/queue/next", data={"csrf": stolen}).status_code == 403
    assert ann.client.post("/queue/next", data={"csrf": "ü"}).status_code == 403
    assert ann.client.post("/queue/next", headers={"x-csrf-token": ann.token()}).status_code == 303
    ann.post("/sign-out")
    assert ann.client.post("/sign-in", data={"csrf": stolen, "name": "ann", "role": "lead"}).status_code == 403


def test_nothing_is_changed_by_a_link(console: Console) -> None:
    """What changes something answers to POST alone."""
    ann = console.person()

    for path in ("/queue/next", "/sign-out", "/choose", "/cases/x/claim", "/cases/x/release"):
        assert ann.get(path).status_code == 405


def test_too_much_is_refused(console: Console) -> None:
    """A body larger than a form, and one of more fields than a form has, are turned away."""
    ann = console.person()

    assert ann.post("/choose", next="x" * 300_000).status_code == 413
    assert ann.client.post("/choose", data={f"f{n}": "" for n in range(1_001)}).status_code == 400


def test_another_name_for_this_machine_is_refused(console: Console) -> None:
    """Where a name is enough to sign in, a site that has its name point here gets no page."""
    assert console.visitor().get("/sign-in", host="evil.example").status_code == 421
    assert console.visitor().get("/sign-in", host="localhost:1").status_code == 200
