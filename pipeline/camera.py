"""One camera: its source's pictures are packed, funded and published, or counted as dropped.

Nothing here waits for another camera. A live camera drops what it cannot publish at once; a file
that is played as fast as possible waits instead, and loses nothing but to a broker's failure. A
motion gate, where a spec asks for one, keeps pictures back that show nothing new.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import structlog

from pipeline.encode import check_bytes, encode_jpeg, letterbox
from pipeline.feed import FILE_BACKOFF, LIVE_BACKOFF, Feed, Source
from pipeline.line import Line, Paused, Submission
from pipeline.metrics import Dropped, ProducerMetrics
from pipeline.motion import Gate, sight_of
from pipeline.slot import Slot
from pipeline.sources import Shot, VideoSource
from pipeline.trouble import Trouble
from wire.clock import Clock
from wire.errors import FramemeterError, InsufficientTokens, Rejected, Retryable, SessionOver
from wire.process import wait_or_stop
from wire.slicing import picture_size
from wire.streams import Pace, StreamSpec

SLOT_SIZE = 2
WINDOW_FRAMES = 8
"""How many frames of a camera may be unanswered at a time."""
PATIENCE_S = 0.5
DRAIN_WAIT_S_MAX = 20.0
log = structlog.stdlib.get_logger("pipeline.camera")


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """What all cameras of a process share."""

    clock: Clock
    encoders: Executor
    metrics: ProducerMetrics
    source_of: Callable[[StreamSpec, Clock], Source] = VideoSource


class Camera:
    """Plays one spec's source into a line; the line belongs to the caller."""

    def __init__(self, spec: StreamSpec, line: Line, studio: Studio) -> None:
        self._spec = spec
        self._line = line
        self._studio = studio
        self._patient = is_patient(spec)
        self._gate = Gate(share=spec.motion, fps=spec.fps) if spec.motion else None
        self._slot: Slot[Shot] = Slot(SLOT_SIZE, patient=self._patient)
        self._answers: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._trouble = Trouble("pictures are not published", stream=spec.stream)
        is_file = "://" not in spec.source or spec.source.startswith("file:")
        self._feed = Feed(
            spec.stream,
            studio.source_of(spec, studio.clock),
            backoff=FILE_BACKOFF if is_file else LIVE_BACKOFF,
            clock=studio.clock,
            deliver=self._take,
            ended=self._end,
        )

    @property
    def stopped(self) -> bool:
        """Say whether `stop` was called."""
        return self._stopping.is_set()

    async def run(self) -> None:
        """Publish until the source has ended and all frames are answered, or until stopped."""
        self._feed.start()
        while (shot := await self._slot.get()) is not None:
            dropped = Dropped.STILL if self._is_still(shot) else await self._publish(shot)
            if dropped is not None:
                self._drop(dropped)
                await asyncio.sleep(0)  # others go on, however fast pictures are dropped here
        if self._answers:
            await asyncio.wait(self._answers, timeout=DRAIN_WAIT_S_MAX)

    def stop(self) -> None:
        """Take no more pictures; what waits is dropped, what is sent stays sent. `run` ends."""
        self._stopping.set()
        self._feed.stop()
        self._drop(Dropped.STOPPED, self._slot.close(discard=True))

    def _take(self, shot: Shot) -> None:
        """Take a picture from the decoding thread."""
        self._studio.metrics.captured.labels(self._spec.stream).inc()
        self._loop.call_soon_threadsafe(self._line.note_captured)
        if self._gate is not None:
            shot = replace(shot, sight=sight_of(shot.picture))
        cost = self._slot.put(shot)
        self._drop(Dropped.STOPPED if self._stopping.is_set() else Dropped.SLOT, cost)

    def _end(self) -> None:
        """Let what waits be published, and then end."""
        self._slot.close()

    def _is_still(self, shot: Shot) -> bool:
        """Say whether the picture shows nothing new: it gets no number and costs nothing."""
        if self._gate is None or shot.sight is None:
            return False
        if self._gate.passes(shot.sight, self._studio.clock.monotonic()):
            return False
        self._line.note_still()
        return True

    async def _publish(self, shot: Shot) -> Dropped | None:
        """Publish one picture; return why it was not. A patient camera tries until it is."""
        picture: bytes | None = None
        while True:
            dropped = self._hindrance(shot)
            if dropped is None:
                try:
                    picture = picture or await self._packed(shot)
                except Rejected as error:
                    self._trouble.report(str(error), now=self._studio.clock.monotonic())
                    return Dropped.UNFIT
                dropped = await self._submit(shot, picture)
            if dropped is None or not self._patient or dropped is Dropped.UNFIT:
                return dropped
            if await self._stops_within(PATIENCE_S):
                return Dropped.STOPPED
            shot = replace(shot, captured_at=self._studio.clock.now())

    def _hindrance(self, shot: Shot) -> Dropped | None:
        """Return why it is no use to even pack the picture."""
        if self._stopping.is_set():
            return Dropped.STOPPED
        age = self._studio.clock.now() - shot.captured_at
        if age.total_seconds() * 1_000 > self._spec.max_age_ms and not self._patient:
            return Dropped.STALE
        error = self._line.blocked
        return self._hindered(error) if error is not None else None

    async def _packed(self, shot: Shot) -> bytes:
        return await self._loop.run_in_executor(self._studio.encoders, pack, shot, self._spec)

    async def _submit(self, shot: Shot, picture: bytes) -> Dropped | None:
        height, width = shot.picture.shape[:2]
        try:
            submission = await self._line.submit(
                picture, captured_at=shot.captured_at, source_height=height, source_width=width
            )
        except FramemeterError as error:
            return self._hindered(error)
        self._trouble.over()
        if self._gate is not None and shot.sight is not None:
            self._gate.published(shot.sight, self._studio.clock.monotonic())
        await self._follow(submission)
        return None

    async def _follow(self, submission: Submission) -> None:
        """Count the frame once it is answered; wait while too many are not."""
        answer = submission.answer
        self._answers.add(answer)
        answer.add_done_callback(self._answered)
        while len(self._answers) >= WINDOW_FRAMES:
            await asyncio.wait(self._answers, return_when=asyncio.FIRST_COMPLETED)

    def _answered(self, answer: "asyncio.Task[None]") -> None:
        self._answers.discard(answer)
        if answer.cancelled() or answer.exception() is not None:
            self._drop(Dropped.DOUBT)
            if self._gate is not None:
                self._gate.forget()
        else:
            self._studio.metrics.published.labels(self._spec.stream).inc()

    def _hindered(self, error: FramemeterError) -> Dropped:
        """Say what stands in the way, once, and return it as a reason."""
        if not self._stopping.is_set() and not isinstance(error, Paused):
            self._trouble.report(str(error), now=self._studio.clock.monotonic())
        match error:
            case InsufficientTokens():
                return Dropped.FUNDING
            case SessionOver() if self._stopping.is_set():
                return Dropped.STOPPED
            case Paused():
                return Dropped.REBALANCE
            case Retryable():
                return Dropped.AWAY
            case Rejected() if self._line.granted:
                return Dropped.UNFIT
            case _:
                return Dropped.REFUSED

    async def _stops_within(self, seconds: float) -> bool:
        return await wait_or_stop(self._stopping, seconds)

    def _drop(self, reason: Dropped, count: int = 1) -> None:
        self._studio.metrics.drop(self._spec.stream, reason, count)


def is_patient(spec: StreamSpec) -> bool:
    """Say whether every picture of the source is to be published, however long it takes."""
    return spec.pace is Pace.FAST and not spec.source.startswith(("rtsp:", "rtsps:"))


def pack(shot: Shot, spec: StreamSpec) -> bytes:
    """Return the picture fitted to the inference size, or to all its tiles', as JPEG.

    Raises `Rejected` when that is not possible within one message.
    """
    height, width = picture_size(spec.slices, spec.height, spec.width)
    fitted = letterbox(shot.picture, height, width)
    return check_bytes(encode_jpeg(fitted.picture, spec.quality))
