"""API keys: `fm_<key id>_<secret>`, told once, stored as a SHA-256, scoped, revocable.

The secret part has 256 random bits, so a plain hash is as good as a slow one. Without an account
a key is an operator's and may act for every account.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from billing.database import connected
from billing.queries import sql
from wire.errors import NotAllowed, Rejected, UnknownAccount
from wire.names import is_name

SCOPES = ("detect", "sessions", "read", "admin")
_PREFIX = "fm"
_LENGTH_MAX = 128
_ID_BYTES = 8
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key as it is shown once: `secret` is the whole text that a caller sends."""

    key_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, and what they may do. `account` None: an operator."""

    account: str | None
    scopes: frozenset[str]
    key_id: str


async def create(
    pool: "asyncpg.Pool[Any]", now: datetime, account: str | None, scopes: tuple[str, ...]
) -> NewKey:
    """Make and store a key; raise `UnknownAccount`, or `Rejected` for unknown scopes."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise Rejected(f"scopes are {' '.join(SCOPES)}, not {' '.join(unknown) or 'none'}")
    key_id = secrets.token_hex(_ID_BYTES)
    secret = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    async with connected(pool) as connection:
        if account is not None and not await _exists(connection, account):
            raise UnknownAccount(f"there is no account {account!r}")
        await connection.execute(
            sql("accounts.create_key"), key_id, account, _digest(secret), sorted(set(scopes)), now
        )
    return NewKey(key_id=key_id, secret=secret)


async def authenticate(pool: "asyncpg.Pool[Any]", secret: str) -> Caller:
    """Return whose key this is; raise `NotAllowed` without saying what is wrong with it."""
    key_id = _key_id(secret)
    if key_id is not None:
        async with connected(pool) as connection:
            row = await connection.fetchrow(sql("accounts.key"), key_id)
        if row is not None and hmac.compare_digest(row["secret_sha256"], _digest(secret)):
            return Caller(account=row["account"], scopes=frozenset(row["scopes"]), key_id=key_id)
    raise NotAllowed("this API key is unknown or was revoked")


async def revoke(pool: "asyncpg.Pool[Any]", now: datetime, key_id: str) -> bool:
    """End a key; return False when there was no such living key."""
    if not is_name(key_id):
        return False
    async with connected(pool) as connection:
        done = await connection.execute(sql("accounts.revoke_key"), key_id, now)
    return bool(done.endswith(" 1"))


async def _exists(connection: Any, account: str) -> bool:
    return is_name(account) and await connection.fetchval(sql("accounts.exists"), account) == 1


def _key_id(secret: str) -> str | None:
    parts = secret.split("_", 2)
    if len(secret) > _LENGTH_MAX or not secret.isascii() or len(parts) != 3:
        return None
    prefix, key_id, _ = parts
    return key_id if prefix == _PREFIX and key_id.isalnum() else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
