"""How do callers sign in at this installation? From the settings to a `Gate`, and whether the server may listen.

Without an `access` file only a proxy's metadata are read, and a caller of whom nothing is known may do everything: that
is for one machine alone, so listening beyond it takes TLS and `access`, or the setting that says in as many words that
neither is wanted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from index.store.store import Store
from serving.access.access_file import Access, TokenRules, load_access
from serving.access.admission import Gate
from serving.access.api_keys import ByApiKey
from serving.access.bearer import ByToken
from serving.access.caller import Caller
from serving.access.grants import Grants
from serving.access.identity import Authenticator, ByCertificate, ByProxy
from serving.access.jwks import KeySet, reader
from serving.access.permissions import Permission, entitled
from serving.access.revoked import Revoked
from serving.errors import SettingsError
from serving.settings import Settings
from serving.tls import CertificateFiles

# Long enough to renew a certificate by hand.
_SOON = timedelta(days=14)


@contextmanager
def open_gate(settings: Settings, store: Store) -> Iterator[Gate]:
    """Make the gate that the settings describe; keys are renewed until the block ends. Raises SettingsError."""
    grants = Grants(store)
    if settings.access is None:
        with grants.polling(interval_s=settings.refresh_s):
            yield Gate([ByProxy(settings.trust_caller)], required=False, granted=grants.added_to)
        return
    access = load_access(settings.access)
    authenticators: list[Authenticator] = []
    with ExitStack() as polling:
        polling.enter_context(grants.polling(interval_s=settings.refresh_s))
        if access.api_keys:
            by_key = ByApiKey(store)
            polling.enter_context(by_key.polling(interval_s=settings.refresh_s))
            authenticators.append(by_key)
        if access.tokens is not None:
            keys = key_set(access.tokens)
            polling.enter_context(keys.polling(interval_s=access.tokens.refresh_s))
            authenticators.append(_by_token(access.tokens, keys))
        authenticators += _by_connection(access, settings)
        yield Gate(authenticators, required=True, granted=grants.added_to)


def key_set(rules: TokenRules) -> KeySet:
    """Return the key set that tokens are verified by, not read yet. Raises SettingsError."""
    return KeySet(reader(rules.jwks), max_stale_s=rules.max_stale_s)


def revoked_by(rules: TokenRules) -> Revoked | None:
    """Read which tokens are revoked; None where no file says so. Raises SettingsError."""
    return Revoked(Path(rules.revoked)) if rules.revoked else None


def check_listening(listen: str, settings: Settings) -> None:
    """Check that the server may listen at "host:port". Raises SettingsError, which says what to set."""
    if settings.allow_insecure_public or is_loopback(listen):
        return
    wanted = {
        "TLS (settings tls_certificate and tls_key)": settings.tls_certificate is None,
        "authentication (setting access)": settings.access is None,
    }
    missing = [name for name, is_missing in wanted.items() if is_missing]
    if missing:
        raise SettingsError(
            f"{listen} can be reached from other machines, and this server has no {' and no '.join(missing)}. "
            "Set them, listen on 127.0.0.1, or say allow_insecure_public: true if whoever reaches it may be trusted."
        )


def describe_tls(settings: Settings, *, now: datetime) -> str:
    """Say what the server shows. Raises SettingsError when it cannot be used, or only for a few days more."""
    files = CertificateFiles.of(settings)
    if files is None:
        return "none: what is sent is in plaintext"
    ends = files.load().expire_time
    if ends - now < _SOON:
        raise SettingsError(
            f"{files.certificate} ends at {ends:%Y-%m-%d %H:%M} UTC; renew it, a running server follows"
        )
    return f"until {ends:%Y-%m-%d}" + (", clients must show a certificate" if files.client_ca else "")


def describe_access(settings: Settings, store: Store, *, now: datetime) -> str:
    """Say by what callers are known. Raises SettingsError and OSError when some of them could not sign in."""
    if settings.access is None:
        return "none: who reaches the server may do everything"
    access = load_access(settings.access)
    known = [f"{len(access.certificates)} certificates"] if access.certificates else []
    list(_by_connection(access, settings))
    if access.tokens is not None:
        revoked = revoked_by(access.tokens)
        less = f", {len(revoked)} revoked" if revoked is not None else ""
        known.append(f"tokens by {key_set(access.tokens).refresh()} keys{less}")
    if access.api_keys:
        holding = [key for key in store.list_keys() if key.holds_at(now)]
        soon = sorted(key.name for key in holding if not key.holds_at(now + _SOON))
        known.append(f"{len(holding)} API keys" + (f" (ending soon: {', '.join(soon)})" if soon else ""))
        judges = sorted({key.name for key in holding if entitled(Caller(key.name, key.roles), Permission.RESOLVE)})
        if judges and (access.tokens or access.certificates or access.proxy):
            known[-1] += (
                f"; cases are decided by key by {', '.join(judges)}: who has another name, too, counts as two people"
            )
    if access.proxy:
        known.append(f"a proxy's metadata ({settings.trust_caller})")
    return ", ".join(known)


def _by_token(rules: TokenRules, keys: KeySet) -> ByToken:
    return ByToken(
        keys,
        issuer=rules.issuer,
        audience=rules.audience,
        algorithms=rules.algorithms,
        roles_claim=rules.roles_claim,
        brands_claim=rules.brands_claim,
        leeway_s=rules.leeway_s,
        revoked=revoked_by(rules),
    )


def _by_connection(access: Access, settings: Settings) -> Iterator[Authenticator]:
    if access.certificates:
        if settings.tls_client_ca is None:
            raise SettingsError(
                f"{settings.access} names certificates, but tls_client_ca is not set: none are asked for"
            )
        yield ByCertificate({name: holder.as_caller() for name, holder in access.certificates.items()})
    if access.proxy:
        yield ByProxy(settings.trust_caller)


def is_loopback(listen: str) -> bool:
    """Tell whether only this machine reaches "host:port"."""
    if listen.startswith(("unix:", "unix-abstract:")):
        return True
    host = listen.rpartition(":")[0].removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
