"""Who is calling: a bearer key becomes a caller, and a scope is asked for.

Known keys are remembered for a few seconds, so that a revoked key dies soon and a busy one costs
no database round trip per request. Only hashes of keys are kept in memory.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from billing.keys import Caller
from gateway.problems import ProblemRaised, raised
from wire.clock import Clock
from wire.errors import NotAllowed, Rejected, UnknownAccount
from wire.names import is_name, name_rule

KEY_TTL_S = 5.0
KEYS_MAX = 10_000
SECRET_LENGTH_MAX = 256

BEARER = HTTPBearer(auto_error=False, description="An API key, as `framemeter accounts` makes it")


class KeyBook(Protocol):
    """Where keys are looked up."""

    async def authenticate(self, secret: str) -> Caller:
        """Return whose key it is; raise `NotAllowed` when it is nobody's."""
        ...


class Authenticator:
    """Turns keys into callers."""

    def __init__(self, keys: KeyBook, clock: Clock, *, ttl_s: float = KEY_TTL_S) -> None:
        self._keys = keys
        self._clock = clock
        self._ttl_s = ttl_s
        self._known: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()

    async def caller(self, secret: str) -> Caller:
        """Return whose key it is; 401 when it is unknown or revoked."""
        if not 0 < len(secret) <= SECRET_LENGTH_MAX:
            raise _unauthenticated("the key is not one of ours")
        digest = hashlib.sha256(secret.encode()).digest()
        known = self._known.get(digest)
        if known is not None and self._clock.monotonic() < known[0]:
            return known[1]
        try:
            caller = await self._keys.authenticate(secret)
        except NotAllowed:
            self._known.pop(digest, None)
            raise _unauthenticated("the key is unknown or revoked") from None
        self._remember(digest, caller)
        return caller

    def requires(self, scope: str | None) -> Callable[..., Awaitable[Caller]]:
        """Return the dependency of a route that needs a key with `scope` (None: any key)."""

        async def dependency(
            credentials: HTTPAuthorizationCredentials | None = Depends(BEARER),  # noqa: B008
        ) -> Caller:
            if credentials is None:
                raise _unauthenticated("send the header `Authorization: Bearer <API key>`")
            caller = await self.caller(credentials.credentials)
            if scope is not None and scope not in caller.scopes:
                raise NotAllowed(f"this key has not the scope {scope!r}")
            return caller

        return dependency

    def _remember(self, digest: bytes, caller: Caller) -> None:
        self._known[digest] = (self._clock.monotonic() + self._ttl_s, caller)
        self._known.move_to_end(digest)
        while len(self._known) > KEYS_MAX:
            self._known.popitem(last=False)


def account_of(caller: Caller, asked: str | None) -> str:
    """Return the account that the request is about.

    A key of an account sees its own alone, and cannot tell another one from none. An operator's
    key must say which.
    """
    if caller.account is None:
        if asked is None:
            raise raised("invalid-request", 422, "an operator's key must name the account")
        if not is_name(asked):
            raise Rejected(name_rule("account", asked))
        return asked
    if asked not in (None, caller.account):
        raise UnknownAccount(f"there is no account {asked!r}")
    return caller.account


def _unauthenticated(detail: str) -> ProblemRaised:
    return raised("unauthenticated", 401, detail, headers={"WWW-Authenticate": "Bearer"})
