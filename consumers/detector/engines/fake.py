"""An engine for tests: objects that follow from the pixels alone, after a set time.

Two runs over the same picture give the same objects, in any process.
"""

import time
import zlib

from consumers.detector.decode import Pictures
from consumers.detector.engines.protocol import Objects
from wire.detections import DetectedObject
from wire.errors import Misconfigured

OBJECTS_MAX = 4
NAMES = ("person", "bicycle", "car", "dog")


class FakeEngine:
    """Takes `low_ms` to `high_ms` a batch, by the pixels; finds 0 to 3 objects in a picture."""

    def __init__(self, *, low_ms: float = 0.0, high_ms: float = 0.0, task: str = "detect") -> None:
        self._low_ms = low_ms
        self._span_ms = high_ms - low_ms
        self._task = task

    @property
    def name(self) -> str:
        """Name the engine."""
        return "fake"

    @property
    def task(self) -> str:
        """Name the task that it plays."""
        return self._task

    @property
    def classes(self) -> tuple[str, ...]:
        """Name the classes."""
        return NAMES

    @property
    def decoder(self) -> None:
        """Have no decoder: pictures come in main memory."""

    def prepare(self, height: int, width: int) -> None:
        """Need nothing."""

    def infer(self, pictures: Pictures) -> list[Objects]:
        """Return the objects that the pixels stand for."""
        sums = [zlib.crc32(picture) for picture in pictures]
        time.sleep((self._low_ms + self._span_ms * (sums[0] % 256) / 256) / 1000)
        return [
            fake_objects(total, *picture.shape[:2])
            for total, picture in zip(sums, pictures, strict=True)
        ]


def fake_objects(total: int, height: int, width: int) -> Objects:
    """Return the objects of a picture whose bytes have this CRC-32."""
    return tuple(
        DetectedObject(
            class_id=(total + index) % len(NAMES),
            class_name=NAMES[(total + index) % len(NAMES)],
            confidence=0.5 + index / 10,
            box=(0.0, 0.0, float(width // (index + 2)), float(height // (index + 2))),
        )
        for index in range(total % OBJECTS_MAX)
    )


def parse_latency(kind: str) -> tuple[float, float]:
    """Return the two times (ms) of `fake`, `fake:5` or `fake:5-20`."""
    _, _, times = kind.partition(":")
    low, dash, high = times.partition("-")
    try:
        low_ms = float(low) if times else 0.0
        high_ms = float(high) if dash else low_ms
    except ValueError:
        raise Misconfigured(f"engine {kind!r}: write fake, fake:5 or fake:5-20 (ms)") from None
    if not 0 <= low_ms <= high_ms:
        raise Misconfigured(f"engine {kind!r}: the times must be 0 or more, the lower one first")
    return low_ms, high_ms
