"""What an account has left, as told in an answer: news, never the ground of a decision.

The newest of what grants said and what Valkey says, plus what this replica's lines hold unspent.
Other replicas' unspent grants are not in it.
"""

from collections import OrderedDict

from redis.asyncio import Redis

from gateway.lines import Lines
from gateway.valkey import Valkey
from wire.clock import Clock

NEWS_TTL_S = 0.5
ACCOUNTS_MAX = 10_000
BALANCE_KEY = "framemeter:balance:{account}"


class Remaining:
    """Answers how many millitokens an account can still spend through this replica."""

    def __init__(self, lines: Lines, valkey: Valkey, clock: Clock) -> None:
        self._lines = lines
        self._valkey = valkey
        self._clock = clock
        self._news: OrderedDict[str, tuple[float, tuple[int, int]]] = OrderedDict()

    async def millitokens(self, account: str) -> int:
        """Return the free balance plus what is granted here and unspent."""
        known = (self._lines.newest_available(account), await self._told(account))
        _, available = max((one for one in known if one is not None), default=(0, 0))
        return available + self._lines.unspent_millitokens(account)

    async def _told(self, account: str) -> tuple[int, int] | None:
        """Return Valkey's (version, available), at most half a second old; None when away."""
        news = self._news.get(account)
        if news is not None and self._clock.monotonic() < news[0]:
            return news[1]
        found = await self._valkey.call(lambda client: _read(client, account))
        if found is None:
            return None if news is None else news[1]
        self._news[account] = (self._clock.monotonic() + NEWS_TTL_S, found)
        self._news.move_to_end(account)
        while len(self._news) > ACCOUNTS_MAX:
            self._news.popitem(last=False)
        return found


async def _read(client: Redis, account: str) -> tuple[int, int] | None:
    key = BALANCE_KEY.format(account=account)
    version, available = await client.hmget(key, ["version", "available"])
    return None if version is None or available is None else (int(version), int(available))
