"""The virtual streams of one replica: images of one account at one price are one stream's frames.

A line is opened by the first image that needs it, funded by a grant in memory, kept alive while
it is used, and closed when it has been idle, so that what it held returns to the account.
The number of lines is bounded: the one that is idle for longest makes room.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from gateway.problems import unavailable
from wire.clock import Clock
from wire.errors import FramemeterError, Refused
from wire.frames import FrameIdentity, Tier
from wire.names import NAME_LENGTH_MAX, VIRTUAL_STREAM_PREFIX

SWEEP_S = 1.0
CLOSE_TIMEOUT_S = 5.0
REPLICA_LENGTH_MAX = 48
NUMBER_DIGITS_MAX = 6
ACCOUNT_LENGTH_MAX = (
    NAME_LENGTH_MAX - len(VIRTUAL_STREAM_PREFIX) - REPLICA_LENGTH_MAX - NUMBER_DIGITS_MAX - 2
)
DIGEST_LENGTH = 12

log = structlog.stdlib.get_logger("gateway.lines")


class FundedLine(Protocol):
    """One stream that publishes only what is paid for (`pipeline.line.Line`)."""

    @property
    def unit_price(self) -> int | None:
        """Millitokens a frame; None until a session was opened."""
        ...

    @property
    def unspent_frames(self) -> int:
        """Frames that are paid for and not published yet."""
        ...

    @property
    def available(self) -> int | None:
        """The account's free millitokens as of the latest grant; None before the first."""
        ...

    @property
    def balance_version(self) -> int | None:
        """Which version of the balance `available` is of."""
        ...

    async def publish(
        self,
        picture: bytes,
        *,
        captured_at: datetime,
        source_height: int,
        source_width: int,
        reply: str | None = None,
        traceparent: str | None = None,
    ) -> FrameIdentity:
        """Publish one picture and return its frame's identity once the broker has it."""
        ...

    async def keep_alive(self) -> None:
        """Renew the session until cancelled."""
        ...

    async def close(self, reason: str) -> None:
        """End the session."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LineKey:
    """What images must share to be frames of one stream: who pays, and the price."""

    account: str
    model: str
    height: int
    width: int
    tier: Tier


MakeLine = Callable[[LineKey, str], FundedLine]
"""Makes the line of a key under a stream name."""


@dataclass(slots=True, kw_only=True)
class _Held:
    key: LineKey
    number: int
    line: FundedLine
    alive: asyncio.Task[None]
    users: int = 0
    idle_since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineLimits:
    """How many lines one replica keeps, and for how long an unused one."""

    lines_max: int = 500
    idle_s: float = 30.0


@dataclass(slots=True)
class _Numbers:
    """The n of `api.<account>.<replica>.<n>`: the least one that no line of ours has."""

    taken: dict[str, set[int]] = field(default_factory=dict)

    def take(self, account: str) -> int:
        taken = self.taken.setdefault(account, set())
        number = next(n for n in range(len(taken) + 1) if n not in taken)
        taken.add(number)
        return number

    def give_back(self, account: str, number: int) -> None:
        self.taken[account].discard(number)
        if not self.taken[account]:
            del self.taken[account]


class Lines:
    """All lines of this replica."""

    def __init__(
        self, make_line: MakeLine, *, replica: str, clock: Clock, limits: LineLimits
    ) -> None:
        assert len(replica) <= REPLICA_LENGTH_MAX
        self._make_line = make_line
        self._replica = replica
        self._clock = clock
        self._limits = limits
        self._held: dict[LineKey, _Held] = {}
        self._numbers = _Numbers()
        self._closing: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._held)

    async def start(self) -> None:
        """Begin to close idle lines. A second call does nothing."""
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep(), name="lines")

    async def stop(self) -> None:
        """Close every line."""
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeper
        await asyncio.gather(
            *(self._close(held, "gateway stopped") for held in self._all()), *self._closing
        )

    @contextlib.asynccontextmanager
    async def use(self, key: LineKey) -> AsyncIterator[FundedLine]:
        """Lend the key's line, which stays open meanwhile; a refusal closes an unused one.

        A refused line is let go so that a topped-up account, or a model that was registered a
        moment later, is served at once.
        """
        held = self._held.get(key) or self._open(key)
        held.users += 1
        try:
            yield held.line
        except Refused:
            if held.users == 1:
                await self._close(held, "refused")
            raise
        finally:
            held.users -= 1
            held.idle_since = self._clock.monotonic()

    def unspent_millitokens(self, account: str) -> int:
        """Return what the account's lines here hold for frames not published yet."""
        return sum(
            held.line.unspent_frames * (held.line.unit_price or 0) for held in self._of(account)
        )

    def newest_available(self, account: str) -> tuple[int, int] | None:
        """Return (balance version, available millitokens) as of the account's newest grant."""
        grants = [
            (held.line.balance_version, held.line.available)
            for held in self._of(account)
            if held.line.balance_version is not None and held.line.available is not None
        ]
        return max(((version, free) for version, free in grants), default=None)

    async def close_idle(self) -> None:
        """Close the lines that nobody has used for a while."""
        now = self._clock.monotonic()
        idle = [
            held
            for held in self._all()
            if not held.users and now - held.idle_since >= self._limits.idle_s
        ]
        await asyncio.gather(*(self._close(held, "idle") for held in idle))

    def _open(self, key: LineKey) -> _Held:
        if len(self._held) >= self._limits.lines_max:
            self._make_room()
        number = self._numbers.take(key.account)
        line = self._make_line(key, stream_name(key.account, self._replica, number))
        held = _Held(
            key=key,
            number=number,
            line=line,
            alive=asyncio.create_task(line.keep_alive(), name=f"line {key.account} {number}"),
        )
        self._held[key] = held
        return held

    def _make_room(self) -> None:
        unused = [held for held in self._all() if not held.users]
        if not unused:
            raise unavailable("too many accounts are being served at once; try again")
        oldest = min(unused, key=lambda held: held.idle_since)
        del self._held[oldest.key]
        closing = asyncio.create_task(self._close(oldest, "room for another"))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _close(self, held: _Held, reason: str) -> None:
        """Close a line; what fails here is mended by the session's expiry."""
        if self._held.get(held.key) is held:
            del self._held[held.key]
        held.alive.cancel()
        try:
            await asyncio.wait_for(held.line.close(reason), CLOSE_TIMEOUT_S)
        except (FramemeterError, TimeoutError) as error:
            log.warning("a line was not closed; it will expire", reason=str(error))
        finally:
            self._numbers.give_back(held.key.account, held.number)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.close_idle()

    def _all(self) -> list[_Held]:
        return list(self._held.values())

    def _of(self, account: str) -> list[_Held]:
        return [held for held in self._held.values() if held.key.account == account]


def stream_name(account: str, replica: str, number: int) -> str:
    """Return `api.<account>.<replica>.<n>`; a very long account name is cut and digested."""
    if len(account) > ACCOUNT_LENGTH_MAX:
        digest = hashlib.sha256(account.encode()).hexdigest()[:DIGEST_LENGTH]
        account = f"{account[: ACCOUNT_LENGTH_MAX - DIGEST_LENGTH - 1]}-{digest}"
    return f"{VIRTUAL_STREAM_PREFIX}{account}.{replica}.{number}"
