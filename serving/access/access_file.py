"""By which credentials may people and machines sign in here? The YAML file that the setting `access` names.

docs/access.md explains each field. Without a file nobody signs in: see `serving.access.admission`.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from index.people import same_person
from serving.access.bearer import Algorithm
from serving.access.caller import Caller
from serving.access.permissions import ROLES
from serving.errors import SettingsError


def _roles(names: frozenset[str]) -> frozenset[str]:
    unknown = sorted(names - {*ROLES})
    if unknown:
        raise ValueError(f"{', '.join(unknown)} is no role; there are {', '.join(ROLES)}")
    return names


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenRules(_Part):
    """Which JSON Web Tokens are believed."""

    jwks: Annotated[str, Field(min_length=1)]  # a file, relative to this one, or an https address
    issuer: Annotated[str, Field(min_length=1)]
    audience: Annotated[str, Field(min_length=1)]
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256", "EdDSA")
    roles_claim: str = "roles"
    brands_claim: str = "brands"
    revoked: str | None = None  # a file of token ids and subjects that hold no more, relative to this one
    leeway_s: Annotated[float, Field(ge=0, le=300)] = 30.0
    refresh_s: Annotated[float, Field(ge=10)] = 300.0
    max_stale_s: Annotated[float, Field(gt=0)] = 86_400.0


class CertificateHolder(_Part):
    """Whom a client's certificate stands for."""

    caller: Annotated[str, Field(min_length=1)]
    roles: Annotated[frozenset[str], AfterValidator(_roles)] = frozenset()
    brands: frozenset[str] = frozenset()

    def as_caller(self) -> Caller:
        """Return the caller."""
        return Caller(self.caller, self.roles, self.brands)


def _one_spelling(holders: dict[str, CertificateHolder]) -> dict[str, CertificateHolder]:
    names = sorted({holder.caller for holder in holders.values()})
    for one, other in combinations(names, 2):
        if same_person(one, other):
            raise ValueError(f"{one!r} and {other!r} are spellings of one name; use one, for one person is one caller")
    return holders


class Access(_Part):
    """By which credentials callers are known."""

    tokens: TokenRules | None = None
    api_keys: bool = False
    certificates: Annotated[  # by a name in the certificate
        dict[str, CertificateHolder], AfterValidator(_one_spelling)
    ] = Field(default_factory=dict)
    proxy: bool = False


def load_access(path: Path) -> Access:
    """Read the file.

    Raises:
        SettingsError: it cannot be read, names what there is not, or lets nobody in.

    """
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        access = Access.model_validate(document if document is not None else {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise SettingsError(f"{path}: {faults}") from error
    if access == Access():
        raise SettingsError(f"{path} lets nobody in; set tokens, api_keys, certificates or proxy")
    if access.tokens is None:
        return access
    beside = {
        name: str(path.parent / value)
        for name in ("jwks", "revoked")
        if (value := getattr(access.tokens, name)) and "://" not in value
    }
    return access.model_copy(update={"tokens": access.tokens.model_copy(update=beside)})
