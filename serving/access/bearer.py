"""Does a JSON Web Token hold, and whom does it name? Signature, issuer, audience and times, then the claims.

Only asymmetric algorithms are known here: with a shared secret everybody who verifies could also sign. What holds is
remembered for a moment, so that one signature is not verified for each request.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import jwt

from serving.access.caller import Caller, name_of
from serving.access.identity import Call, Identity
from serving.access.jwks import KeySet
from serving.access.revoked import Revoked
from serving.errors import Unauthenticated
from serving.remembered import Remembered

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]

# A token whose key was taken out of the set is still believed so long, so this is short.
_REMEMBER_S = 60.0
_REMEMBERED = 10_000
_MAX_TOKEN_CHARACTERS = 7_000  # gRPC takes 8 KiB of metadata
_MAX_LISTED = 1_000  # roles, brands


class ByToken:
    """Believes JSON Web Tokens that `keys` verify."""

    def __init__(
        self,
        keys: KeySet,
        *,
        issuer: str,
        audience: str,
        algorithms: tuple[Algorithm, ...],
        roles_claim: str,
        brands_claim: str,
        leeway_s: float,
        revoked: Revoked | None = None,
    ) -> None:
        self._keys = keys
        self._revoked = revoked
        self._expected: dict[str, Any] = {"issuer": issuer, "audience": audience, "algorithms": list(algorithms)}
        self._claims = (roles_claim, brands_claim)
        self._leeway = timedelta(seconds=leeway_s)
        self._remembered: Remembered[tuple[Identity, str]] = Remembered(_REMEMBERED)  # with the token's id

    async def identify(self, call: Call) -> Identity | None:
        """Verify the call's bearer token."""
        token = call.bearer
        if not token:
            return None
        known = self._remembered.get(token)
        if known is None or known[0].until is None or datetime.now(UTC) >= known[0].until:
            known = await self._verified(token)
            self._remembered.note(token, known, for_s=_REMEMBER_S)
        identity, token_id = known
        if self._revoked is not None and self._revoked.covers(token_id, identity.caller.name):
            raise Unauthenticated("The token was revoked; ask an administrator.")
        return identity

    async def _verified(self, token: str) -> tuple[Identity, str]:
        try:
            if len(token) > _MAX_TOKEN_CHARACTERS:
                raise jwt.InvalidTokenError(f"it is longer than {_MAX_TOKEN_CHARACTERS} characters")
            key_id = jwt.get_unverified_header(token).get("kid")
            claims = jwt.decode(
                token,
                await self._keys.key(key_id),
                leeway=self._leeway,
                options={"require": ["exp", "iss", "aud", "sub"]},
                **self._expected,
            )
            until = datetime.fromtimestamp(int(claims["exp"]), UTC) + self._leeway
        except (jwt.PyJWTError, ValueError, OverflowError, OSError) as error:
            # PyJWT's messages name the rule, and now and then a claim's name, but never the token.
            raise Unauthenticated(f"The token does not hold: {error}; renew it and try again once.") from error
        name = name_of(claims["sub"], "The token's sub")
        if not name:
            raise Unauthenticated("The token's sub is empty; it must name who calls.")
        roles, brands = (listed(claims, claim) for claim in self._claims)
        token_id = claims.get("jti")
        return Identity(Caller(name, roles, brands), "token", until), token_id if isinstance(token_id, str) else ""


def listed(claims: Mapping[str, Any], claim: str) -> frozenset[str]:
    """Read a claim with several words: a list, or one text with spaces or commas; none when there is no such claim.

    A claim's name may lead into nested ones by dots, such as "realm_access.roles"; one that is meant whole goes first.
    """
    value: Any = claims.get(claim)
    if value is None:
        value = claims
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, list) or len(value) > _MAX_LISTED:
        return frozenset()
    return frozenset(word for word in value if isinstance(word, str) and word)
