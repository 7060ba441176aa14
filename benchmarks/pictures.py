"""The pictures that benchmarks publish: the real footage, fitted and packed as a camera would.

They are packed before anything is measured: the figures are of the way from there on.
"""

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import cycle

import msgspec

from cli.demo.plan import park_camera
from pipeline.camera import pack
from pipeline.sources import Shot, VideoSource
from samples.catalog import FOOTAGE
from wire.clock import SystemClock
from wire.frames import Frame, Tier
from wire.streams import Pace, StreamSpec

PICTURES_PER_SECOND = 2.0
CAMERA = msgspec.structs.replace(
    park_camera("footage", str(FOOTAGE), account="bench"),
    fps=PICTURES_PER_SECOND,
    pace=Pace.FAST,
    loop=False,
)


def packed_pictures(camera: StreamSpec = CAMERA) -> list[bytes]:
    """Return some hundred different JPEGs of the footage, at the camera's size."""
    packed: list[bytes] = []

    def keep(shot: Shot) -> None:
        packed.append(pack(shot, camera))

    VideoSource(camera, SystemClock()).play(keep, threading.Event())
    return packed


class Reel:
    """The frames of several sessions of one account, numbered without holes.

    Streams of `priority` go to the priority tier; `camera` says which model and size.
    """

    def __init__(
        self,
        pictures: Sequence[bytes],
        *,
        account: str,
        epochs: Mapping[str, int],
        camera: StreamSpec = CAMERA,
        priority: Collection[str] = (),
    ):
        self._pictures = cycle(pictures)
        self._account = account
        self._epochs = epochs
        self._camera = camera
        self._priority = priority
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many frames were taken so far."""
        return self._taken.total()

    def taken_of(self, stream: str) -> int:
        """Return how many frames of a stream were taken so far."""
        return self._taken[stream]

    def take(self, stream: str, *, captured_at: datetime, max_age_ms: int) -> Frame:
        """Return the stream's next frame, with the next picture."""
        seq = self._taken[stream]
        self._taken[stream] += 1
        return Frame(
            account=self._account,
            stream=stream,
            epoch=self._epochs[stream],
            seq=seq,
            model=self._camera.model,
            height=self._camera.height,
            width=self._camera.width,
            captured_at=captured_at,
            tier=Tier.PRIORITY if stream in self._priority else Tier.STANDARD,
            max_age_ms=max_age_ms,
            source_height=self._camera.height,
            source_width=self._camera.width,
            picture=next(self._pictures),
        )
