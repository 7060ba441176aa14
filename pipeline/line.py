"""A line of frames: one stream's sessions, grants and publications, one after another.

The shell around `pipeline.funding`: it asks the gateway, sends to Kafka and keeps time, and
decides nothing. Frames are published in the order of the calls; an owner that is cancelled while
its frame is under way loses the answer, not the frame.
"""

import asyncio
import zlib
from dataclasses import dataclass
from datetime import datetime

import structlog

from pipeline.contract import Contract, Place
from pipeline.dialogue import Dialogue
from pipeline.encode import check_bytes
from pipeline.funding import Funding
from pipeline.ports import FramesPort, SessionsPort
from wire.clock import Clock
from wire.errors import FramemeterError, Retryable
from wire.frames import Frame, FrameIdentity

__all__ = ["Contract", "FramesPort", "Line", "Paused", "SessionsPort", "Submission"]

DRAIN_WAIT_S_MAX = 2.0
CLOSE_WAIT_S_MAX = 1.5
CLOSE_PATIENCE_S = 5.0
"""The same where neither a process nor other producers wait for it: many may end at once."""
TICK_S_LEAST = 0.1
TICK_S_MOST = 1.0
log = structlog.stdlib.get_logger("pipeline.line")


class Paused(Retryable):
    """The owner holds its line back for a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A frame that has its number and is under way; await `answer` for the broker's word."""

    identity: FrameIdentity
    answer: "asyncio.Task[None]"


class Line:
    """One stream's line of frames under one contract, over as many epochs as it takes."""

    def __init__(
        self, *, contract: Contract, sessions: SessionsPort, publisher: FramesPort, clock: Clock
    ) -> None:
        spread = zlib.crc32(contract.stream.encode()) / 0xFFFF_FFFF
        self._funding = Funding(contract, spread=spread)
        self._dialogue = Dialogue(self._funding, sessions, clock)
        self._publisher = publisher
        self._clock = clock
        self._turn = asyncio.Lock()
        self._order = asyncio.Lock()
        self._answers: set[asyncio.Task[None]] = set()
        self._paused = False

    @property
    def contract(self) -> Contract:
        """What the line publishes, for whom."""
        return self._funding.contract

    @property
    def unit_price(self) -> int | None:
        """Millitokens a frame, from the latest grant."""
        return self._dialogue.latest.unit_price if self._dialogue.latest else None

    @property
    def available(self) -> int | None:
        """The account's free millitokens as of the latest grant."""
        return self._dialogue.latest.available if self._dialogue.latest else None

    @property
    def balance_version(self) -> int | None:
        """Which version of the balance `available` is."""
        return self._dialogue.latest.balance_version if self._dialogue.latest else None

    @property
    def granted(self) -> int:
        """How many frames of the present session are paid for."""
        return self._funding.granted

    @property
    def published(self) -> int:
        """How many frames of the present session were given a number."""
        return self._funding.published

    @property
    def unspent_frames(self) -> int:
        """How many more frames may be published right now."""
        return self._funding.unspent(self._clock.monotonic())

    @property
    def closed(self) -> bool:
        """Say whether `close` was called: nothing more will be published."""
        return self._funding.stopping

    @property
    def in_flight(self) -> int:
        """How many published frames have no answer yet."""
        return self._funding.in_flight

    @property
    def blocked(self) -> FramemeterError | None:
        """Why nothing can be published for now, known without asking; None: try."""
        if self._paused:
            return Paused(f"stream {self.contract.stream} is paused")
        now = self._clock.monotonic()
        return None if self._funding.unspent(now) > 0 else self._funding.blocked(now)

    def note_captured(self) -> None:
        """Count one picture of the source, whether it will be published or not.

        An owner that never calls it has captured what it published.
        """
        self._funding.note_captured()

    def note_still(self) -> None:
        """Count one of the captured pictures as kept back, because nothing moved in it."""
        self._funding.note_still()

    def amend(self, contract: Contract) -> None:
        """Change the terms that do not touch the price; they hold from the next frame on."""
        assert contract.price_terms == self.contract.price_terms
        self._funding.contract = contract

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
        """Publish one picture and wait for the broker's word.

        Raises `Refused` (as `InsufficientTokens`) or `Rejected` when it may not be published and
        was not, and `Retryable` when it could not be or when nobody knows whether it was.
        """
        submission = await self.submit(
            picture,
            captured_at=captured_at,
            source_height=source_height,
            source_width=source_width,
            reply=reply,
            traceparent=traceparent,
        )
        await asyncio.shield(submission.answer)
        return submission.identity

    async def submit(
        self,
        picture: bytes,
        *,
        captured_at: datetime,
        source_height: int,
        source_width: int,
        reply: str | None = None,
        traceparent: str | None = None,
    ) -> Submission:
        """Give one picture its number and send it off, without waiting for the broker's word.

        Whatever this raises, the picture was not published. The answer may raise `Retryable`.
        """
        check_bytes(picture)
        async with self._turn:
            await self._publisher.ready()
            place = await self._reserve()
            terms = self._funding.contract
            frame = Frame(
                account=terms.account,
                stream=terms.stream,
                epoch=place.epoch,
                seq=place.seq,
                model=terms.model,
                height=terms.height,
                width=terms.width,
                captured_at=captured_at,
                tier=terms.tier,
                max_age_ms=terms.max_age_ms,
                source_height=source_height,
                source_width=source_width,
                reply=reply,
                traceparent=traceparent,
                slices=terms.slices,
                picture=picture,
            )
            # No await since the number was handed out: it is sent or it is in doubt.
            answer = asyncio.create_task(self._deliver(frame, place))
        self._answers.add(answer)
        answer.add_done_callback(self._answered)
        return Submission(identity=frame, answer=answer)

    async def keep_alive(self) -> None:
        """Renew the session in time, with or without frames; run it as a task, cancel to end."""
        while True:
            self._dialogue.step()
            due_s = self._funding.due_in(self._clock.monotonic())
            await asyncio.sleep(min(max(due_s, TICK_S_LEAST), TICK_S_MOST))

    async def drain(self, wait_s: float) -> bool:
        """Wait until every published frame is answered; say whether that came in time."""
        if self._answers:
            await asyncio.wait(self._answers, timeout=wait_s)
        return not self._answers

    async def pause(self, reason: str) -> None:
        """End the present session as `close` does; publish nothing until `resume`."""
        self._paused = True
        self._funding.end(reason)
        await self._finish(CLOSE_WAIT_S_MAX)

    def resume(self) -> None:
        """Publish again, in a new session."""
        self._paused = False

    async def close(self, reason: str, *, patient: bool = False) -> None:
        """Publish no more, wait for the answers, then tell the gateway what was published.

        Bounded: what is unanswered after `DRAIN_WAIT_S_MAX` is in doubt, and a gateway that is
        still away after `CLOSE_WAIT_S_MAX` (`CLOSE_PATIENCE_S`) will see the session expire.
        """
        self._funding.stop(reason)
        await self._finish(CLOSE_PATIENCE_S if patient else CLOSE_WAIT_S_MAX)
        self._dialogue.hang_up()

    async def _finish(self, close_wait_s: float) -> None:
        """1. Wait for the answers. 2. The rest is in doubt. 3. Tell the gateway."""
        self._dialogue.wake()
        await self.drain(DRAIN_WAIT_S_MAX)
        self._funding.abandon()
        try:
            async with asyncio.timeout(close_wait_s):
                while self._funding.closing_due:
                    self._dialogue.step()
                    await self._dialogue.change(TICK_S_LEAST)
        except TimeoutError:
            log.warning(
                "the gateway could not be told in time that a session ended",
                stream=self.contract.stream,
            )

    async def _reserve(self) -> Place:
        """Wait for a frame number that is paid for; raise why there is none to be had."""
        while True:
            if self._paused:
                raise Paused(f"stream {self.contract.stream} is paused")
            place = self._funding.reserve(self._clock.monotonic())
            self._dialogue.step()
            if place is not None:
                return place
            error = self._funding.blocked(self._clock.monotonic())
            if error is not None:
                raise type(error)(*error.args)
            await self._dialogue.change(TICK_S_MOST)

    async def _deliver(self, frame: Frame, place: Place) -> None:
        confirmed = False
        try:
            async with self._order:
                answer = await self._publisher.enqueue(frame)
            await answer
            confirmed = True
        except Retryable as error:
            log.warning("a frame's fate is unknown: its session ends", reason=str(error))
            raise
        finally:
            (self._funding.acked if confirmed else self._funding.failed)(place)
            self._dialogue.wake()

    def _answered(self, answer: "asyncio.Task[None]") -> None:
        self._answers.discard(answer)
        if not answer.cancelled():
            answer.exception()  # seen: the owner may have gone
