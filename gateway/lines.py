"""The virtual streams of one replica: images of one account at one price are one stream's frames.

A line is opened by the first image that needs it, funded by a grant in memory that is sized for
the pace of its images, kept alive while it is used, and closed when it has been idle, so that what
it held returns to the account. The number of lines is bounded: the longest idle one makes room.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import structlog

from gateway.problems import unavailable
from gateway.virtual_streams import REPLICA_LENGTH_MAX, LineKey, StreamNumbers, stream_name
from pipeline.line import Line
from wire.clock import Clock
from wire.errors import FramemeterError, Refused

SWEEP_S = 1.0
PACE_MEMORY = 0.8
"""How much of a line's pace a second ago is in its pace now."""
CLOSE_TIMEOUT_S = 5.0
log = structlog.stdlib.get_logger("gateway.lines")


MakeLine = Callable[[LineKey, str], Line]
"""Makes the line of a key under a stream name."""


@dataclass(slots=True, kw_only=True)
class _Held:
    key: LineKey
    number: int
    line: Line
    alive: asyncio.Task[None]
    users: int = 0
    idle_since: float = 0.0
    images: int = 0
    images_per_second: float = 0.0
    closing: "asyncio.Task[None] | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineLimits:
    """How many lines one replica keeps, and for how long an unused one."""

    lines_max: int = 500
    idle_s: float = 30.0


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
        self._numbers = StreamNumbers()
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
        await self._close(self._all(), "gateway stopped")
        await asyncio.gather(*self._closing)

    @contextlib.asynccontextmanager
    async def use(self, key: LineKey) -> AsyncIterator[Line]:
        """Lend the key's line, which stays open meanwhile; a refusal closes an unused one.

        A refused line is let go so that a topped-up account, or a model that was registered a
        moment later, is served at once.
        """
        held = self._held.get(key) or self._open(key)
        held.users += 1
        held.images += 1
        try:
            yield held.line
        except Refused:
            if held.users == 1:
                await self._close([held], "refused")
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

    async def free(self, account: str, *, but: LineKey) -> bool:
        """Close the account's unused lines, so that their grants return; say whether any was."""
        unused = [held for held in self._of(account) if not held.users and held.key != but]
        await self._close(unused, "tokens are needed elsewhere")
        return bool(unused)

    def keep_pace(self, seconds: float) -> None:
        """Size the next grants for the images of late; `seconds` passed since the last call."""
        for held in self._all():
            held.images_per_second = pace(held.images_per_second, held.images, seconds)
            held.images = 0
            held.line.amend(replace(held.line.contract, frames_per_second=held.images_per_second))

    async def close_idle(self) -> None:
        """Close the lines that nobody has used for a while."""
        now = self._clock.monotonic()
        idle = [
            held
            for held in self._all()
            if not held.users and now - held.idle_since >= self._limits.idle_s
        ]
        await self._close(idle, "idle")

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
        self._retire(min(unused, key=lambda held: held.idle_since), "room for another")

    async def _close(self, lines: list[_Held], reason: str) -> None:
        """Close lines; nobody gets one of them from this moment on, even if we are cancelled."""
        if closing := {self._retire(held, reason) for held in lines}:
            await asyncio.wait(closing)

    def _retire(self, held: _Held, reason: str) -> "asyncio.Task[None]":
        """Take a line out of use and close it in the background.

        A line that somebody else has found to be closed in the same moment is out of use already.
        """
        if held.closing is None:
            if self._held.get(held.key) is held:
                del self._held[held.key]
            held.alive.cancel()
            held.closing = asyncio.create_task(self._end(held, reason))
            self._closing.add(held.closing)
            held.closing.add_done_callback(self._closing.discard)
        return held.closing

    async def _end(self, held: _Held, reason: str) -> None:
        """Close a line; what fails here is mended by the session's expiry."""
        try:
            await asyncio.wait_for(held.line.close(reason), CLOSE_TIMEOUT_S)
        except (FramemeterError, TimeoutError) as error:
            log.warning("a line was not closed; it will expire", reason=str(error))
        finally:
            self._numbers.give_back(held.key.account, held.number)

    async def _sweep(self) -> None:
        while True:
            begun = self._clock.monotonic()
            await asyncio.sleep(SWEEP_S)
            self.keep_pace(self._clock.monotonic() - begun)
            await self.close_idle()

    def _all(self) -> list[_Held]:
        return list(self._held.values())

    def _of(self, account: str) -> list[_Held]:
        return [held for held in self._held.values() if held.key.account == account]


def pace(before: float, images: int, seconds: float) -> float:
    """Return the images a second, smoothed: a burst is believed slowly, a silence too."""
    if seconds <= 0:
        return before
    return PACE_MEMORY * before + (1 - PACE_MEMORY) * images / seconds
