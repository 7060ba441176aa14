"""`Idempotency-Key`: a request that is sent again is answered again, and paid for once.

Finished answers are kept for a day: in memory (bounded) and, while it is there, in Valkey, where
the other replicas find them. Work goes on when its caller gives up, so that a second try waits
for the same work. A failure is not kept: whoever tries again gets a new try.

Not promised: a replica that dies in the middle, or an emptied Valkey, forgets the key.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from gateway.problems import RETRY_AFTER_S, ProblemRaised, raised, unavailable
from gateway.valkey import Valkey
from wire.clock import Clock
from wire.errors import Rejected

KEPT_S = 24 * 3600
KEY_LENGTH_MAX = 255
ANSWERS_MAX = 2_000


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A finished answer, or (`body` None) a claim on the key by whoever works on it.

    `fingerprint` tells one request from another.
    """

    fingerprint: str
    body: bytes | None


Work = Callable[[], Awaitable[bytes]]
_DECODER = msgspec.msgpack.Decoder(Answer)


@dataclass(slots=True, kw_only=True)
class _Kept:
    answer: Answer
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Which request it is: whose, under which key, and of which content."""

    account: str
    key: str
    fingerprint: str

    @property
    def place(self) -> str:
        """The key in Valkey; the caller's own key is only hashed into it."""
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        return f"framemeter:idempotency:{self.account}:{digest}"


def check_key(key: str) -> str:
    """Return the header's value; raise `Rejected` when it cannot be a key."""
    if not (1 <= len(key) <= KEY_LENGTH_MAX and key.isascii() and key.isprintable()):
        raise Rejected(f"Idempotency-Key must be 1 to {KEY_LENGTH_MAX} printable ASCII characters")
    return key


class Flights:
    """Runs each request's work as a task of its own, once for each key.

    `claim_s` is longer than any work takes: for so long other replicas leave a key alone.
    """

    def __init__(self, valkey: Valkey, clock: Clock, *, running_max: int, claim_s: int) -> None:
        self._valkey = valkey
        self._clock = clock
        self._running_max = running_max
        self._claim_s = claim_s
        self._tasks: set[asyncio.Task[bytes]] = set()
        self._flying: dict[str, tuple[str, asyncio.Task[bytes]]] = {}
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def check_room(self) -> None:
        """Raise a 503 problem when as many requests run as may."""
        if len(self._tasks) >= self._running_max:
            raise unavailable(f"{self._running_max} requests are being answered; try again")

    async def run(self, ticket: Ticket | None, work: Work, *, timeout_s: float) -> bytes:
        """Return the answer of `work`, or the one that its key has already.

        A 504 problem when it takes longer than `timeout_s`; the work goes on.
        """
        if ticket is None:
            return await self._wait(self._start(work), timeout_s)
        kept = self._recall(ticket.place)
        if kept is not None:
            return _same(kept, ticket)
        flying = self._flying.get(ticket.place)
        if flying is None:
            flying = (ticket.fingerprint, self._start(lambda: self._once(ticket, work)))
            self._flying[ticket.place] = flying
            flying[1].add_done_callback(lambda _: self._flying.pop(ticket.place, None))
        if flying[0] != ticket.fingerprint:
            raise _reused()
        return await self._wait(flying[1], timeout_s)

    async def drain(self, timeout_s: float) -> None:
        """Let running work end; cancel what is left after `timeout_s`."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _start(self, work: Work) -> asyncio.Task[bytes]:
        self.check_room()
        task = asyncio.ensure_future(_body(work))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[bytes]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that nobody is told that it was not

    async def _wait(self, task: asyncio.Task[bytes], timeout_s: float) -> bytes:
        try:
            return await asyncio.wait_for(asyncio.shield(task), timeout_s)
        except TimeoutError:
            if task.done():
                raise
            raise raised(
                "timeout",
                504,
                f"no answer within {timeout_s:g} s; the same Idempotency-Key may find it later",
            ) from None

    async def _once(self, ticket: Ticket, work: Work) -> bytes:
        """Do the work unless another replica has done it, or does it."""
        stored = await self._claim(ticket)
        if stored is not None:
            self._keep(ticket.place, stored)
            return _same(stored, ticket)
        try:
            body = await work()
        except Exception:
            # Not when it is cancelled: its frame may be under way, so the claim stays a while.
            await self._valkey.call(lambda client: client.delete(ticket.place))
            raise
        answer = Answer(fingerprint=ticket.fingerprint, body=body)
        self._keep(ticket.place, answer)
        packed = msgspec.msgpack.encode(answer)
        await self._valkey.call(lambda client: client.set(ticket.place, packed, ex=KEPT_S))
        return body

    async def _claim(self, ticket: Ticket) -> Answer | None:
        """Return the answer that lies in Valkey; None when the work is ours to do."""
        claim = msgspec.msgpack.encode(Answer(fingerprint=ticket.fingerprint, body=None))
        found = await self._valkey.call(
            lambda client: client.set(ticket.place, claim, nx=True, get=True, ex=self._claim_s)
        )
        if not isinstance(found, bytes):
            return None
        stored = _DECODER.decode(found)
        if stored.fingerprint != ticket.fingerprint:
            raise _reused()
        if stored.body is None:
            raise raised(
                "in-progress",
                409,
                "another replica is working on the request with this Idempotency-Key",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        return stored

    def _recall(self, place: str) -> Answer | None:
        kept = self._kept.get(place)
        return None if kept is None or kept.until <= self._clock.monotonic() else kept.answer

    def _keep(self, place: str, answer: Answer) -> None:
        self._kept[place] = _Kept(answer=answer, until=self._clock.monotonic() + KEPT_S)
        self._kept.move_to_end(place)
        while len(self._kept) > ANSWERS_MAX:
            self._kept.popitem(last=False)


async def _body(work: Work) -> bytes:
    return await work()


def _same(answer: Answer, ticket: Ticket) -> bytes:
    """Return the kept answer if it is that of the same request."""
    if answer.fingerprint != ticket.fingerprint:
        raise _reused()
    assert answer.body is not None
    return answer.body


def _reused() -> ProblemRaised:
    return raised("key-reused", 422, "this Idempotency-Key belongs to a request with other content")
