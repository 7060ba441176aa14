"""The protocol of one lane, on which exactly-once rests: events in, actions out, no IO.

A lane is one input partition in the hands of this process. It promises that frames are committed
in offset order, each in exactly one transaction of at most `TRANSACTION_FRAMES_MAX` frames, that
the next transaction starts when the last one has ended and takes all that is ready, and that
there is one cure for every failure: a new *era*. Work and news of an older era are void.

    new ── Assigned ─► opening ── Opened ─► ready ◄── Committed ──┐
                          ▲                   └── Finished ─► committing
                          └── Waited ── waiting ◄── Failed from opening, ready, committing
    Revoked from anywhere ─► closing (only while a transaction runs) ─► closed

Long because events, actions and machine are one protocol, to be read in one piece.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from consumers.detector.passed import FrameKey, Passed

TRANSACTION_FRAMES_MAX = 64
BACKOFF_STEP_S = 0.5
BACKOFF_S_MAX = 3.0

W = TypeVar("W")
"""What the shell needs to process a message; opaque here."""
R = TypeVar("R")
"""What processing a message gave; opaque here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken(Generic[W]):
    """One input message; `key` is None for one that is no frame and so cannot be a copy."""

    offset: int
    key: FrameKey | None
    work: W


# Events -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assigned:
    """The group gave this partition to us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """`Open` is done; `offset` was read after fence, mend and scrub."""

    era: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched(Generic[W]):
    """The consumer handed out messages, in offset order."""

    messages: tuple[Taken[W], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Generic[R]):
    """The message at `offset` was processed."""

    era: int
    offset: int
    result: R


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The running transaction has ended well."""

    era: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Opening or a transaction raised, or the producer lost a connection."""

    era: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """The time of `Wait` is over."""

    era: int


@dataclass(frozen=True, slots=True)
class Revoked:
    """The group takes the partition away, or the process stops."""


@dataclass(frozen=True, slots=True)
class GraceOver:
    """The running transaction was given time to end, and did not."""


Event = (
    Assigned | Opened | Fetched[W] | Finished[R] | Committed | Failed | Waited | Revoked | GraceOver
)

# Actions ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Tear the old producer down, fence, mend, scrub, read the offset: `Opened` or `Failed`."""

    era: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Seek to `offset` and resume the partition, without any await."""

    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process(Generic[W]):
    """Process each message; report `Finished` with this era."""

    era: int
    messages: tuple[Taken[W], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transact(Generic[R]):
    """Commit the results and `next_offset` in one transaction: `Committed` or `Failed`."""

    era: int
    results: tuple[R, ...]
    next_offset: int


@dataclass(frozen=True, slots=True)
class Abandon:
    """Pause the partition, cancel what runs for this lane and drop its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Wait about this long (jittered), then report `Waited`."""

    era: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Linger:
    """Drop the lane's work, but let the running transaction end; after a grace `GraceOver`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Cancel what runs, drop the lane's work and discard the producer for good."""

    gentle: bool


Action = Open | Start | Process[W] | Transact[R] | Abandon | Wait | Linger | Close


class Phase(Enum):
    """Where the lane is in its life."""

    NEW = "new"
    OPENING = "opening"
    READY = "ready"
    COMMITTING = "committing"
    WAITING = "waiting"
    CLOSING = "closing"
    CLOSED = "closed"


class _Pending:
    """What nobody has reported on yet."""


PENDING = _Pending()


class _Copy:
    """A second copy of a frame: its offset is passed over, it has no result."""


COPY = _Copy()


class Lane(Generic[W, R]):
    """The state of one lane. Feed it events; carry out what it answers, in order."""

    def __init__(self) -> None:
        self.phase = Phase.NEW
        self.era = 0
        self.copies = 0
        self._failures = 0
        self._progress = False
        self._next_take = 0
        self._running = 0
        self._pending = 0
        self._waiting: OrderedDict[int, R | _Pending | _Copy] = OrderedDict()
        self._passed = Passed()

    @property
    def takes(self) -> bool:
        """Whether fetched messages are wanted; while not, drop them: they come again."""
        return self.phase in (Phase.READY, Phase.COMMITTING)

    @property
    def in_flight(self) -> int:
        """How many messages are taken and not committed."""
        return len(self._waiting)

    @property
    def pending(self) -> int:
        """How many of them nobody has reported on yet."""
        return self._pending

    def handle(self, event: Event[W, R]) -> tuple[Action[W, R], ...]:
        """Return what is to be done now that this has happened."""
        match event:
            case Fetched(messages=messages):
                return self._fetched(messages)
            case Finished():
                return self._finished(event)
            case Committed(era=era):
                return self._committed(era)
            case Assigned():
                return self._assigned()
            case Opened(era=era, offset=offset):
                return self._opened(era, offset)
            case Failed(era=era):
                return self._failed(era)
            case Waited(era=era):
                return self._waited(era)
            case Revoked():
                return self._revoked()
            case GraceOver():
                return self._close(gentle=False) if self.phase is Phase.CLOSING else ()

    def _assigned(self) -> tuple[Action[W, R], ...]:
        assert self.phase is Phase.NEW
        self.phase = Phase.OPENING
        return (Open(era=self.era),)

    def _opened(self, era: int, offset: int) -> tuple[Action[W, R], ...]:
        if era != self.era or self.phase is not Phase.OPENING:
            return ()
        self.phase = Phase.READY
        self._progress = False
        self._next_take = offset
        return (Start(offset=offset),)

    def _fetched(self, messages: tuple[Taken[W], ...]) -> tuple[Action[W, R], ...]:
        if not self.takes:
            return ()
        fresh = tuple(message for message in messages if self._take(message))
        work = (Process(era=self.era, messages=fresh),) if fresh else ()
        return (*work, *self._transact())

    def _take(self, message: Taken[W]) -> bool:
        """Enter the message; say whether it is to be processed."""
        if message.offset < self._next_take:
            return False
        self._next_take = message.offset + 1
        copy = message.key is not None and not self._passed.add(message.key)
        self._waiting[message.offset] = COPY if copy else PENDING
        self.copies += copy
        self._pending += not copy
        return not copy

    def _finished(self, event: Finished[R]) -> tuple[Action[W, R], ...]:
        if event.era != self.era or not self.takes:
            return ()
        assert self._waiting.get(event.offset) is PENDING, f"offset {event.offset} ended twice"
        self._waiting[event.offset] = event.result
        self._pending -= 1
        return self._transact()

    def _transact(self) -> tuple[Action[W, R], ...]:
        """Start a transaction of all that is ready at the front, if none runs."""
        if self.phase is not Phase.READY:
            return ()
        results: list[R] = []
        count, last = 0, -1
        for offset, result in self._waiting.items():
            if isinstance(result, _Pending) or count == TRANSACTION_FRAMES_MAX:
                break
            count, last = count + 1, offset
            if not isinstance(result, _Copy):
                results.append(result)
        if count == 0:
            return ()
        self.phase = Phase.COMMITTING
        self._running = count
        return (Transact(era=self.era, results=tuple(results), next_offset=last + 1),)

    def _committed(self, era: int) -> tuple[Action[W, R], ...]:
        if era != self.era:
            return ()
        if self.phase is Phase.CLOSING:
            return self._close(gentle=True)
        if self.phase is not Phase.COMMITTING:
            return ()
        for _ in range(self._running):
            self._waiting.popitem(last=False)
        self.phase = Phase.READY
        self._progress = True
        return self._transact()

    def _failed(self, era: int) -> tuple[Action[W, R], ...]:
        if era != self.era or self.phase in (Phase.NEW, Phase.WAITING, Phase.CLOSED):
            return ()
        if self.phase is Phase.CLOSING:
            return self._close(gentle=False)
        self._failures = 1 if self._progress else self._failures + 1
        self._progress = False
        self._void()
        self.phase = Phase.WAITING
        seconds = min(BACKOFF_STEP_S * self._failures, BACKOFF_S_MAX)
        return (Abandon(), Wait(era=self.era, seconds=seconds))

    def _waited(self, era: int) -> tuple[Action[W, R], ...]:
        if era != self.era or self.phase is not Phase.WAITING:
            return ()
        self.phase = Phase.OPENING
        return (Open(era=self.era),)

    def _revoked(self) -> tuple[Action[W, R], ...]:
        if self.phase in (Phase.CLOSING, Phase.CLOSED):
            return ()
        if self.phase is Phase.COMMITTING:
            self.phase = Phase.CLOSING
            return (Linger(),)
        return self._close(gentle=self.phase is Phase.READY)

    def _close(self, *, gentle: bool) -> tuple[Action[W, R], ...]:
        self._void()
        self.phase = Phase.CLOSED
        return (Close(gentle=gentle),)

    def _void(self) -> None:
        """Start a new era: nothing taken so far is known to be committed, so forget it all."""
        self.era += 1
        self._waiting.clear()
        self._pending = 0
        self._passed = Passed()
