"""What is an API key? Whom it stands for and until when; of its secret only a slow hash is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """One key. `secret_hash` is argon2id's own text, with salt and costs; `brands` are ids."""

    key_id: str
    name: str
    secret_hash: str
    roles: frozenset[str]
    create_time: datetime
    created_by: str
    brands: frozenset[str] = frozenset()
    expire_time: datetime | None = None
    revoke_time: datetime | None = None
    revoked_by: str = ""

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether the key is neither revoked nor expired."""
        return self.revoke_time is None and (self.expire_time is None or moment < self.expire_time)
