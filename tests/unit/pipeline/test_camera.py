"""A camera accounts for every picture, whatever stands in the way of publishing it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from pipeline import camera
from pipeline.camera import Camera, Studio
from pipeline.encode import decode_jpeg
from pipeline.line import Line
from pipeline.metrics import Dropped, ProducerMetrics
from pipeline.sessions_memory import MemorySessions
from pipeline.sources import Deliver, Shot
from pipeline.watch import contract_of
from tests.unit.pipeline.frames_memory import MemoryFrames
from wire.clock import SystemClock
from wire.errors import Rejected
from wire.slicing import Slices
from wire.streams import Pace, StreamSpec

PICTURE = np.zeros((48, 64, 3), np.uint8)


class Reel:
    """A source that plays a number of black pictures and then ends, or waits."""

    def __init__(self, pictures: int, *, age_s: float = 0.0, pause_s: float = 0.0) -> None:
        self.pictures = pictures
        self.shown = [PICTURE]
        self.age = timedelta(seconds=age_s)
        self.pause_s = pause_s
        self.ends = True

    def play(self, deliver: Deliver, stopped: threading.Event) -> None:
        for number in range(self.pictures):
            picture = self.shown[number % len(self.shown)]
            deliver(Shot(picture=picture, captured_at=SystemClock().now() - self.age))
            if stopped.wait(self.pause_s):
                return
        if not self.ends:
            stopped.wait(10)


class Set:
    """One camera with everything around it in memory."""

    def __init__(
        self, reel: Reel, encoders: ThreadPoolExecutor, pace: Pace, **changes: Any
    ) -> None:
        clock = SystemClock()
        spec = StreamSpec(
            stream="gate",
            account="acme",
            source="reel.mp4",
            model="park-n",
            height=32,
            width=64,
            fps=50,
            pace=pace,
        )
        self.spec = msgspec.structs.replace(spec, **changes)
        self.sessions = MemorySessions(clock)
        self.sessions.top_up("acme", 1_000_000)
        self.frames = MemoryFrames()
        self.metrics = ProducerMetrics(CollectorRegistry())
        self.line = Line(
            contract=contract_of(self.spec),
            sessions=self.sessions,
            publisher=self.frames,
            clock=clock,
        )
        studio = Studio(
            clock=clock, encoders=encoders, metrics=self.metrics, source_of=lambda *_: reel
        )
        self.camera = Camera(self.spec, self.line, studio)

    def counts(self) -> tuple[float, float]:
        """Return captured and published."""
        return tuple(  # type: ignore[return-value]
            counter.labels("gate")._value.get()
            for counter in (self.metrics.captured, self.metrics.published)
        )

    def dropped(self, reason: Dropped | None = None) -> float:
        """Return what was dropped, for one reason or all."""
        reasons = [reason] if reason else list(Dropped)
        return sum(self.metrics.dropped.labels("gate", it.value)._value.get() for it in reasons)


Build = Callable[..., Set]


@pytest.fixture
async def build() -> AsyncIterator[Build]:
    with ThreadPoolExecutor(1) as encoders:
        yield lambda reel, pace=Pace.FAST, **changes: Set(reel, encoders, pace, **changes)


async def test_a_patient_camera_publishes_every_picture_and_ends(build: Build) -> None:
    it = build(Reel(100))
    await it.camera.run()
    assert it.counts() == (100, 100)
    assert [frame.seq for frame in it.frames.written] == list(range(100))
    assert (it.frames.written[0].source_height, it.frames.written[0].height) == (48, 32)


async def test_a_live_camera_drops_the_oldest_when_it_comes_too_fast(build: Build) -> None:
    it = build(Reel(500), Pace.REALTIME)
    await it.camera.run()
    captured, published = it.counts()
    assert captured == 500 and 2 <= published < 500
    assert it.dropped(Dropped.SLOT) == it.dropped() == captured - published
    await it.line.close("done")
    closed = it.sessions.epochs("gate")[0].closed
    assert closed is not None and closed.captured == 500


async def test_pictures_that_are_too_old_are_dropped_unpaid(build: Build) -> None:
    it = build(Reel(3, age_s=6, pause_s=0.02), Pace.REALTIME)
    await it.camera.run()
    assert it.counts() == (3, 0)
    assert it.dropped(Dropped.STALE) == 3
    assert it.sessions.sessions == {}


async def test_pictures_without_tokens_are_dropped_as_such(build: Build) -> None:
    it = build(Reel(10, pause_s=0.02), Pace.REALTIME)
    it.sessions.available["acme"] = 4_000
    await it.camera.run()
    assert it.counts() == (10, 4)
    assert it.dropped(Dropped.FUNDING) == 6


async def test_pictures_of_an_unknown_account_are_refused(build: Build) -> None:
    it = build(Reel(5, pause_s=0.02), Pace.REALTIME)
    del it.sessions.available["acme"]
    await it.camera.run()
    assert (it.counts()[1], it.dropped(Dropped.REFUSED)) == (0, 5)


async def test_pictures_while_kafka_is_away_are_dropped_as_such(build: Build) -> None:
    it = build(Reel(5, pause_s=0.02), Pace.REALTIME)
    it.frames.away = True
    await it.camera.run()
    assert (it.counts()[1], it.dropped(Dropped.AWAY)) == (0, 5)


async def test_a_picture_that_cannot_be_packed_does_not_end_a_camera(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise Rejected("not packable")

    monkeypatch.setattr(camera, "pack", fail)
    it = build(Reel(3))
    await it.camera.run()
    assert (it.counts()[1], it.dropped(Dropped.UNFIT)) == (0, 3)


async def test_a_lost_frame_is_counted_and_the_camera_goes_on_in_the_next_epoch(
    build: Build,
) -> None:
    it = build(Reel(20, pause_s=0.01))
    it.frames.lose = {5}
    await it.camera.run()
    assert it.dropped(Dropped.DOUBT) >= 1
    assert it.counts()[1] + it.dropped() == 20
    assert {frame.epoch for frame in it.frames.written} == {1, 2}


async def test_a_paused_line_holds_a_file_back(build: Build) -> None:
    it = build(Reel(10))
    await it.line.pause("test")
    running = asyncio.create_task(it.camera.run())
    await asyncio.sleep(0.2)
    assert it.frames.written == []
    it.line.resume()
    await asyncio.wait_for(running, 5)
    assert it.counts() == (10, 10)


async def test_a_paused_line_drops_live_pictures(build: Build) -> None:
    it = build(Reel(5, pause_s=0.02), Pace.REALTIME)
    await it.line.pause("test")
    await it.camera.run()
    assert it.dropped(Dropped.REBALANCE) == 5


@pytest.mark.parametrize("pace", list(Pace))
async def test_stopping_accounts_for_what_was_waiting(build: Build, pace: Pace) -> None:
    it = build(Reel(10_000), pace)
    running = asyncio.create_task(it.camera.run())
    await asyncio.sleep(0.1)
    it.camera.stop()
    await asyncio.wait_for(running, 5)
    await asyncio.sleep(0.1)
    captured, published = it.counts()
    assert published > 0 and captured == published + it.dropped()
    assert captured < 10_000 or pace is Pace.REALTIME


async def test_still_pictures_get_no_number_and_are_told_to_the_gateway(build: Build) -> None:
    reel = Reel(150)
    moved = PICTURE.copy()
    moved[10:30, 20:30] = 200
    reel.shown = [PICTURE] * 40 + [moved] * 110
    it = build(reel, motion=0.01, fps=10)
    await it.camera.run()
    # The first, the one that moved, and one again after ten seconds of pictures.
    assert it.counts() == (150, 3)
    assert [frame.seq for frame in it.frames.written] == [0, 1, 2]
    assert it.dropped(Dropped.STILL) == it.dropped() == 147
    await it.line.close("done")
    closed = it.sessions.epochs("gate")[0].closed
    assert closed is not None
    assert (closed.captured, closed.still, closed.last_seq) == (150, 147, 2)
    assert it.sessions.available["acme"] == 1_000_000 - 3 * 1_000


async def test_a_still_picture_is_published_after_one_whose_fate_is_unknown(build: Build) -> None:
    it = build(Reel(20, pause_s=0.01), motion=0.01)
    it.frames.lose = {0}
    await it.camera.run()
    assert (it.dropped(Dropped.DOUBT), it.counts()[1]) == (1, 1)
    assert it.dropped(Dropped.STILL) == 18


async def test_a_sliced_picture_is_one_frame_of_all_its_tiles(build: Build) -> None:
    slices = Slices(rows=2, columns=3, overlap=0.25)
    it = build(Reel(2), slices=slices)
    await it.camera.run()
    frame = it.frames.written[0]
    assert (frame.height, frame.width, frame.slices) == (32, 64, slices)
    assert decode_jpeg(frame.picture).shape == (56, 160, 3)
    assert it.line.contract.opening.slices == slices


async def test_a_picture_over_a_messages_size_is_dropped_and_the_camera_goes_on(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.encode.PICTURE_BYTES_MAX", 900)
    reel = Reel(4)
    noise = np.random.default_rng(1).integers(0, 255, PICTURE.shape, np.uint8)
    reel.shown = [noise, PICTURE]
    it = build(reel)
    await it.camera.run()
    assert (it.counts()[1], it.dropped(Dropped.UNFIT)) == (2, 2)
