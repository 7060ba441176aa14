"""Whose turn it is: streams by the work they were given, tiers by weight. Pure.

Streams: deficit round-robin in the form of virtual times. An account holds how much work its
stream was given; the least goes first, ties in the order in which they came to wait. A stream
that had nothing waiting starts at the turn that runs, so that nobody saves turns up.
"""

from dataclasses import dataclass, field

from consumers.detector.batching.pace import Rate, Share
from wire.frames import Tier

PRIORITY_RUN_MAX = 7
"""Priority work for one unit of standard work while both wait: a batch of eight of equal cost
always has room for one standard frame."""
ACCOUNTS_SPARE = 256


@dataclass(slots=True, eq=False)
class Account:
    """What one stream of a tier was given, how much it asks for, and how much of it waits."""

    stream: str
    served: float = 0.0
    waiting: int = 0
    over_since: float | None = None
    """Since when it has been asking for more than can be served."""
    arrivals: Rate = field(default_factory=Rate)


class Accounts:
    """The accounts of one tier."""

    def __init__(self) -> None:
        self.turn = 0.0
        """Where the turn is: no waiting stream is due less than this."""
        self.share = Share()
        self._accounts: dict[str, Account] = {}
        self._furthest = 0.0
        self._waiting = 0
        self._sweep_at = ACCOUNTS_SPARE

    def arrive(self, stream: str) -> Account:
        """Count a frame that came to wait; return its stream's account."""
        account = self._accounts.get(stream)
        if account is None:
            self._forget_settled()
            account = self._accounts[stream] = Account(stream)
        if not account.waiting:
            account.served = max(account.served, self.turn)
        account.waiting += 1
        self._waiting += 1
        return account

    def leave(self, account: Account) -> None:
        """Count a frame that waits no longer."""
        account.waiting -= 1
        self._waiting -= 1
        if not self._waiting:
            self.turn = self._furthest

    def serve(self, account: Account, cost: float) -> None:
        """Charge a frame to its stream."""
        account.served = max(account.served, self.turn) + cost
        self._furthest = max(self._furthest, account.served)

    def reach(self, served: float) -> None:
        """Move the turn to the stream that goes first in a batch."""
        self.turn = max(self.turn, served)

    def _forget_settled(self) -> None:
        """Forget streams that have nothing waiting and owe nothing, when there are many."""
        if len(self._accounts) < self._sweep_at:
            return
        self._accounts = {
            stream: account
            for stream, account in self._accounts.items()
            if account.waiting or account.served > self.turn
        }
        self._sweep_at = 2 * len(self._accounts) + ACCOUNTS_SPARE


class Tiers:
    """Which tier goes first while both wait.

    Standard work is owed one part for `PRIORITY_RUN_MAX` parts of priority work that pass it. A
    batch may hold more standard frames than they are owed: that is set against what they are owed
    next, so that the weights hold for batches of any size.
    """

    def __init__(self) -> None:
        self._passed = 0.0

    def first(self, *, cost: float) -> Tier:
        """Return the tier that goes first; `cost` is that of the standard frame in front."""
        owed = self._passed >= PRIORITY_RUN_MAX * cost
        return Tier.STANDARD if owed else Tier.PRIORITY

    def served(self, tier: Tier, cost: float, *, other_waits: bool) -> None:
        """Count a frame; `other_waits` says whether the other tier had frames waiting."""
        if tier is Tier.PRIORITY:
            self._passed += cost if other_waits else 0.0
        elif other_waits:
            self._passed -= PRIORITY_RUN_MAX * cost
        else:
            self._passed = max(self._passed - PRIORITY_RUN_MAX * cost, min(self._passed, 0.0))
