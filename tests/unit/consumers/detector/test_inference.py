"""Every frame that goes in comes out exactly once: detected, failed, expired or rejected."""

import asyncio

import numpy as np
import simplejpeg

from consumers.detector.inference import SWEEP_S
from tests.unit.consumers.detector.bench import SIZE_MAX, at_work, batches, statuses
from tests.unit.consumers.detector.made import HEIGHT, NOON, WIDTH, frame, picture
from tests.unit.consumers.detector.scripted import GatedEngine, MoodyEngine
from wire.frames import Tier
from wire.usage import Status


async def test_frames_are_detected_with_the_version_that_did_it() -> None:
    async with at_work() as bench:
        for seq in range(10):
            bench.put(frame(seq, captured_at=NOON, picture=picture(seq)))
        outcomes = await bench.ended(10)
    assert {outcome.status for outcome in outcomes} == {Status.DETECTED}
    assert {outcome.version for outcome in outcomes} == {"v1"}
    assert len({outcome.objects for outcome in outcomes}) > 1
    assert bench.figures.registry.get_sample_value("framemeter_detector_images_total") == 10


async def test_batches_form_while_the_engine_is_busy() -> None:
    engine = MoodyEngine()
    async with at_work(engine) as bench:
        for seq in range(3 * SIZE_MAX):
            bench.put(frame(seq, captured_at=NOON))
        await bench.ended(3 * SIZE_MAX)
    assert batches(engine) == [SIZE_MAX] * 3


async def test_a_worker_is_kept_for_the_priority_tier_while_it_is_used() -> None:
    engine = GatedEngine()
    engine.gate.set()
    async with at_work(engine) as bench:
        bench.put(frame(0, captured_at=NOON, tier=Tier.PRIORITY))
        await bench.ended(1)
        engine.gate.clear()
        engine.calls.clear()
        for seq in range(1, 20):
            bench.put(frame(seq, captured_at=NOON))
        await asyncio.sleep(2 * SWEEP_S)
        assert len(engine.calls) == 1, "the other worker is kept"
        bench.put(frame(20, captured_at=NOON, tier=Tier.PRIORITY))
        await asyncio.sleep(2 * SWEEP_S)
        assert len(engine.calls) == 2
        engine.gate.set()
        outcomes = await bench.ended(21)
    assert {outcome.status for outcome in outcomes} == {Status.DETECTED}


async def test_one_bad_picture_never_costs_its_neighbours() -> None:
    black = bytes(
        simplejpeg.encode_jpeg(np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8), colorspace="BGR")
    )
    white = bytes(
        simplejpeg.encode_jpeg(np.full((HEIGHT, WIDTH, 3), 255, dtype=np.uint8), colorspace="BGR")
    )
    async with at_work(MoodyEngine(poison=0)) as bench:
        for seq in range(4):
            bench.put(frame(seq, captured_at=NOON, picture=black if seq == 2 else white))
        outcomes = await bench.ended(4)
    assert statuses(outcomes) == ["detected", "detected", "failed", "detected"]
    assert outcomes[2].reason == "the engine failed: out of memory"


async def test_an_engine_that_cannot_take_a_batch_gets_single_frames() -> None:
    async with at_work(MoodyEngine(batch_max=1)) as bench:
        for seq in range(4):
            bench.put(frame(seq, captured_at=NOON))
        outcomes = await bench.ended(4)
    assert statuses(outcomes) == ["detected"] * 4


async def test_half_a_picture_is_rejected_and_kept_for_the_dead_letter() -> None:
    async with at_work() as bench:
        for seq in range(3):
            whole = picture(seq)
            half = whole[: len(whole) // 2] if seq == 1 else whole
            bench.put(frame(seq, captured_at=NOON, picture=half))
        outcomes = await bench.ended(3)
    assert statuses(outcomes) == ["detected", "rejected", "detected"]
    assert outcomes[1].dead is not None
    assert outcomes[0].dead is None


async def test_a_batch_of_broken_pictures_alone_does_not_reach_the_engine() -> None:
    engine = MoodyEngine()
    async with at_work(engine) as bench:
        bench.put(frame(0, captured_at=NOON, picture=b"nothing"))
        outcomes = await bench.ended(1)
    assert statuses(outcomes) == ["rejected"]
    assert batches(engine) == []


async def test_a_frame_over_its_age_expires() -> None:
    async with at_work() as bench:
        bench.clock.calendar.advance(20)
        bench.put(frame(0, captured_at=NOON, max_age_ms=10_000))
        bench.put(frame(1, captured_at=NOON, max_age_ms=60_000))
        outcomes = await bench.ended(2)
    assert statuses(outcomes) == ["expired", "detected"]
    assert outcomes[0].reason == "older than 10000 ms"


async def test_frames_wait_for_their_model_no_longer_than_their_age() -> None:
    async with at_work() as bench:
        bench.loader.gate.clear()
        bench.put(frame(0, captured_at=NOON, max_age_ms=200))
        bench.put(frame(1, captured_at=NOON))
        outcomes = await bench.ended(1)
        assert statuses(outcomes) == ["expired"]
        bench.loader.gate.set()
        assert statuses(await bench.ended(2)) == ["expired", "detected"]


async def test_frames_of_an_unknown_model_fail_and_the_others_go_on() -> None:
    async with at_work() as bench:
        bench.put(frame(0, captured_at=NOON, model="nobody-knows"))
        bench.put(frame(1, captured_at=NOON))
        outcomes = await bench.ended(2)
    assert statuses(outcomes) == ["failed", "detected"]
    assert outcomes[0].reason == "model nobody-knows is not registered"


async def test_a_dropped_lanes_frames_do_not_come_back() -> None:
    lane = object()
    async with at_work() as bench:
        bench.loader.gate.clear()
        bench.put(frame(0, captured_at=NOON), owner=lane)
        bench.put(frame(1, captured_at=NOON))
        bench.inference.drop(lane)
        bench.loader.gate.set()
        await bench.ended(1)
    assert list(bench.outcomes) == [1]
