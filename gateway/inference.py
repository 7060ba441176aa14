"""One image through the pipeline: fitted, published as a paid frame, answered from `replies`.

What is spent is decided by how the frame ended: only a detected one costs its price. An image
that nobody answers in time is still accounted for, by the frame's own usage event.
"""

import asyncio
from dataclasses import dataclass

import msgspec
import structlog

from gateway.balances import Remaining
from gateway.fetch import Fetcher
from gateway.lines import Lines
from gateway.models import KnownModels
from gateway.pictures import decode_image
from gateway.problems import ProblemRaised, raised, unavailable
from gateway.replies import Mailbox
from gateway.virtual_streams import LineKey
from pipeline.encode import Letterboxed, encode_jpeg, letterbox
from wire.clock import Clock
from wire.detections import DetectedObject, Detection
from wire.errors import InsufficientTokens, SessionOver
from wire.frames import PICTURE_BYTES_MAX
from wire.slicing import picture_size
from wire.usage import Status

log = structlog.stdlib.get_logger("gateway.inference")

SLACK_S = 20.0
"""How much longer than a frame's age an answer is waited for, for whoever asks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done with which image; exactly one of `image` and `image_url` is there."""

    line: LineKey
    image: bytes | None
    image_url: str | None
    traceparent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was found, in pixels of the image as it was sent, and what it cost."""

    objects: tuple[DetectedObject, ...]
    millitokens: int
    remaining_millitokens: int
    cached: bool
    model_version: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceLimits:
    """Bounds of one image's way."""

    pixels_max: int
    max_age_ms: int
    jpeg_quality: int
    decoders_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """The parts of the gateway that an image passes through."""

    models: KnownModels
    fetcher: Fetcher
    lines: Lines
    mailbox: Mailbox
    remaining: Remaining


class Inference:
    """Takes images and gives detections."""

    def __init__(
        self, rooms: Rooms, *, replica: str, clock: Clock, limits: InferenceLimits
    ) -> None:
        self._rooms = rooms
        self._replica = replica
        self._clock = clock
        self._limits = limits
        self._decoders = asyncio.Semaphore(limits.decoders_max)

    async def detect(self, job: Job) -> Outcome:
        """Return what is in the image.

        1. The model must be known; nothing is spent before that.
        2. The image is fetched where it is not sent, decoded and fitted.
        3. It is published as a paid frame; the line refuses when tokens do not suffice.
        4. The answer is waited for, longer than the frame may live.
        """
        await self._rooms.models.get(job.line.model)
        image = job.image if job.image is not None else await self._fetch(job)
        fitted, packed = await self._fit(image, job.line)
        frame_id, price = await self._publish_funded(job, fitted, packed)
        detection = await self._reply(frame_id)
        raise_unless_seen(detection)
        return Outcome(
            objects=tuple(home(one, fitted) for one in detection.objects),
            millitokens=price if detection.status is Status.DETECTED else 0,
            remaining_millitokens=await self._rooms.remaining.millitokens(job.line.account),
            cached=detection.status is Status.CACHED,
            model_version=detection.model_version,
            task=detection.task,
        )

    async def _fetch(self, job: Job) -> bytes:
        assert job.image_url is not None
        return await self._rooms.fetcher.fetch(job.image_url)

    async def _fit(self, image: bytes, line: LineKey) -> tuple[Letterboxed, bytes]:
        async with self._decoders:
            return await asyncio.to_thread(fit, image, line, self._limits)

    async def _publish_funded(
        self, job: Job, fitted: Letterboxed, packed: bytes
    ) -> tuple[str, int]:
        """Publish; try once more where that can help: nothing was published by a refusal.

        Tokens may lie unused in the account's other lines here, and a session that was ended from
        outside has a next epoch.
        """
        try:
            return await self._publish(job, fitted, packed)
        except InsufficientTokens:
            if not await self._rooms.lines.free(job.line.account, but=job.line):
                raise
        except SessionOver:
            log.warning("a line's session was over", account=job.line.account)
        try:
            return await self._publish(job, fitted, packed)
        except SessionOver as error:
            raise unavailable("the line to the detectors was cut; try again") from error

    async def _publish(self, job: Job, fitted: Letterboxed, packed: bytes) -> tuple[str, int]:
        """Return the frame's id and its price in millitokens."""
        async with self._rooms.lines.use(job.line) as line:
            identity = await line.publish(
                packed,
                captured_at=self._clock.now(),
                source_height=fitted.source_height,
                source_width=fitted.source_width,
                reply=self._replica,
                traceparent=job.traceparent,
            )
            price = line.unit_price
        assert price is not None, "a published frame has a price"
        return identity.id, price

    async def _reply(self, frame_id: str) -> Detection:
        wait_s = self._limits.max_age_ms / 1000 + SLACK_S
        try:
            return await self._rooms.mailbox.take(frame_id, timeout_s=wait_s)
        except TimeoutError:
            raise raised("timeout", 504, f"no detector answered within {wait_s:g} s") from None


def fit(image: bytes, line: LineKey, limits: InferenceLimits) -> tuple[Letterboxed, bytes]:
    """Return the image fitted to the inference size, or to all its tiles', and that as JPEG."""
    height, width = picture_size(line.slices, line.height, line.width)
    fitted = letterbox(decode_image(image, pixels_max=limits.pixels_max), height, width)
    packed = encode_jpeg(fitted.picture, limits.jpeg_quality)
    if len(packed) > PICTURE_BYTES_MAX:
        raise raised("too-large", 413, too_large(line, height, width))
    return fitted, packed


def too_large(line: LineKey, height: int, width: int) -> str:
    """Return what is wrong with a picture that does not fit into one message."""
    cure = "img_size" if line.slices is None else "img_size or fewer slices"
    return f"fitted to {height}x{width} this image is too large to be sent on: use a smaller {cure}"


def raise_unless_seen(detection: Detection) -> None:
    """Raise the problem of a frame that ended without a result; such a frame costs nothing."""
    if detection.status in (Status.DETECTED, Status.CACHED):
        return
    if detection.status is Status.EXPIRED:
        raise unavailable("the detectors are too busy; nothing was charged, try again")
    raise _failed(detection)


def _failed(detection: Detection) -> ProblemRaised:
    return raised(
        "inference-failed",
        502,
        f"the model could not work on this image ({detection.status}); nothing was charged",
    )


def home(one: DetectedObject, fitted: Letterboxed) -> DetectedObject:
    """Return the object in pixels of the image as it was sent, cut off at its edges.

    Only the corners of a turned box are left where they are, for it would be one no more.
    """
    return msgspec.structs.replace(
        one,
        box=fitted.unletterbox(one.box),
        mask=tuple(fitted.source_point_within(point) for point in one.mask),
        keypoints=tuple(
            (*fitted.source_point_within((x, y)), confidence) for x, y, confidence in one.keypoints
        ),
        corners=tuple(fitted.source_point(point) for point in one.corners),
    )
