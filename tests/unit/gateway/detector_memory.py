"""Topic, detector and replies in memory: a frame that is published is answered at once."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime

from gateway.replies import Mailbox
from wire.detections import DetectedObject, Detection
from wire.errors import Retryable
from wire.frames import Frame
from wire.usage import Status

SEEN = DetectedObject(
    class_id=0, class_name="person", confidence=0.9, box=(128.0, 192.0, 384.0, 320.0)
)


class MemoryDetector:
    """A `FramesPort`. A `status` of None leaves frames unanswered; `away` is a dead broker."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self.status: Status | None = Status.DETECTED
        self.frames: list[Frame] = []
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def ready(self) -> None:
        if self.away:
            raise Retryable("Kafka does not answer")

    async def enqueue(self, frame: Frame) -> Awaitable[None]:
        self.frames.append(frame)
        return self._answer(frame)

    async def _answer(self, frame: Frame) -> None:
        await self.gate.wait()
        if self.status is not None:
            self._mailbox.put(answer(frame, self.status))


def answer(frame: Frame, status: Status) -> Detection:
    """Return what a detector says about a frame."""
    seen = status in (Status.DETECTED, Status.CACHED)
    return Detection(
        account=frame.account,
        stream=frame.stream,
        epoch=frame.epoch,
        seq=frame.seq,
        captured_at=frame.captured_at,
        detected_at=datetime.now(UTC),
        status=status,
        model=frame.model,
        model_version="v7",
        task="detect",
        height=frame.height,
        width=frame.width,
        source_height=frame.source_height,
        source_width=frame.source_width,
        objects=(SEEN,) if seen else (),
        slices=frame.slices,
    )
