"""A line of frames: one stream's sessions, grants and publications, one after another.

The shell around `pipeline.funding`: it asks the gateway, sends to Kafka and keeps time, and
decides nothing. Frames are published in the order of the calls; an owner that is cancelled while
its frame is under way loses the answer, not the frame.
"""

import asyncio
import zlib
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from pipeline.contract import Action, Close, Contract, Place, Renew
from pipeline.funding import Funding, Phase
from pipeline.ports import FramesPort, SessionsPort
from wire.clock import Clock
from wire.errors import FramemeterError, Rejected, Retryable
from wire.frames import PICTURE_BYTES_MAX, Frame, FrameIdentity
from wire.sessions import Grant, OpenSession

__all__ = ["Contract", "FramesPort", "Line", "SessionsPort", "Submission"]

DRAIN_WAIT_S_MAX = 2.0
CLOSE_WAIT_S_MAX = 2.0
TICK_S_LEAST = 0.1
TICK_S_MOST = 1.0
log = structlog.stdlib.get_logger("pipeline.line")


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
        self._sessions = sessions
        self._publisher = publisher
        self._clock = clock
        self._turn = asyncio.Lock()
        self._order = asyncio.Lock()
        self._changed = asyncio.Event()
        self._control: asyncio.Task[None] | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._latest: Grant | None = None

    @property
    def contract(self) -> Contract:
        """What the line publishes, for whom."""
        return self._funding.contract

    @property
    def unit_price(self) -> int | None:
        """Millitokens a frame, from the latest grant."""
        return self._latest.unit_price if self._latest else None

    @property
    def available(self) -> int | None:
        """The account's free millitokens as of the latest grant."""
        return self._latest.available if self._latest else None

    @property
    def balance_version(self) -> int | None:
        """Which version of the balance `available` is."""
        return self._latest.balance_version if self._latest else None

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
    def in_flight(self) -> int:
        """How many published frames have no answer yet."""
        return self._funding.in_flight

    def note_captured(self) -> None:
        """Count one picture of the source, whether it will be published or not.

        An owner that never calls it has captured what it published.
        """
        self._funding.note_captured()

    def amend(self, *, max_age_ms: int, frames_per_second: float) -> None:
        """Change the terms that do not touch the price; they hold from the next frame on."""
        self._funding.contract = replace(
            self._funding.contract, max_age_ms=max_age_ms, frames_per_second=frames_per_second
        )

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
        if not 0 < len(picture) <= PICTURE_BYTES_MAX:
            raise Rejected(f"a picture of {len(picture)} bytes is not within {PICTURE_BYTES_MAX}")
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
            self._step()
            due_s = self._funding.due_in(self._clock.monotonic())
            await asyncio.sleep(min(max(due_s, TICK_S_LEAST), TICK_S_MOST))

    async def drain(self, wait_s: float) -> bool:
        """Wait until every published frame is answered; say whether that came in time."""
        if self._answers:
            await asyncio.wait(self._answers, timeout=wait_s)
        return not self._answers

    async def close(self, reason: str) -> None:
        """Publish no more, wait for the answers, then tell the gateway what was published.

        Bounded: what is unanswered after `DRAIN_WAIT_S_MAX` is in doubt, and a gateway that is
        still away after `CLOSE_WAIT_S_MAX` will see the session expire.
        """
        self._funding.stop(reason)
        self._wake()
        await self.drain(DRAIN_WAIT_S_MAX)
        self._funding.abandon()
        try:
            async with asyncio.timeout(CLOSE_WAIT_S_MAX):
                while self._funding.phase is not Phase.OVER:
                    self._step()
                    await self._change(TICK_S_LEAST)
        except TimeoutError:
            log.warning(
                "the gateway was not told that a session ended: it will expire",
                stream=self.contract.stream,
            )
        if self._control is not None:
            self._control.cancel()

    async def _reserve(self) -> Place:
        """Wait for a frame number that is paid for; raise why there is none to be had."""
        while True:
            place = self._funding.reserve(self._clock.monotonic())
            self._step()
            if place is not None:
                return place
            error = self._funding.blocked(self._clock.monotonic())
            if error is not None:
                raise type(error)(*error.args)
            await self._change(TICK_S_MOST)

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
            self._wake()

    def _answered(self, answer: "asyncio.Task[None]") -> None:
        self._answers.discard(answer)
        if not answer.cancelled():
            answer.exception()  # seen: the owner may have gone

    def _step(self) -> None:
        """Carry out what the machine wants next, in the background, one thing at a time."""
        if self._control is not None:
            return
        action = self._funding.next_action(self._clock.monotonic())
        if action is not None:
            self._control = asyncio.create_task(self._carry_out(action))

    async def _carry_out(self, action: Action) -> None:
        try:
            await self._ask(action)
        except Retryable as error:
            self._funding.unanswered(error, self._clock.monotonic())
        except FramemeterError as error:
            self._funding.refused(error, self._clock.monotonic())
        finally:
            self._control = None
            self._wake()
        self._step()

    async def _ask(self, action: Action) -> None:
        stream = self.contract.stream
        match action:
            case OpenSession():
                grant = await self._sessions.open(action)
                self._latest = grant
                self._funding.opened(grant, now=self._clock.monotonic(), ttl_s=self._ttl_s(grant))
            case Renew():
                grant = await self._sessions.renew(stream, action.epoch, action.request)
                self._latest = grant
                self._funding.renewed(grant, now=self._clock.monotonic(), ttl_s=self._ttl_s(grant))
            case Close():
                await self._sessions.close(stream, action.epoch, action.request)
                self._funding.closed()

    def _ttl_s(self, grant: Grant) -> float:
        return (grant.expires_at - self._clock.now()).total_seconds()

    def _wake(self) -> None:
        self._changed.set()

    async def _change(self, wait_s: float) -> None:
        """Wait until something happened, or a moment."""
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), wait_s)
        except TimeoutError:
            return
