"""A sliced frame is many pieces and one outcome, whatever becomes of its tiles."""

import asyncio
import threading

import msgspec
import numpy as np
import pytest
import simplejpeg

from consumers.detector.decode import Pictures, empty_batch
from consumers.detector.engines.fake import fake_objects
from consumers.detector.engines.protocol import Objects
from consumers.detector.pieces import Sheet
from tests.unit.consumers.detector.bench import SIZE_MAX, at_work, batches, statuses
from tests.unit.consumers.detector.made import HEIGHT, NOON, WIDTH, frame, picture
from tests.unit.consumers.detector.scripted import SPEC, MoodyEngine
from wire.errors import Rejected
from wire.frames import Frame
from wire.slicing import Slices, corners, picture_size

SLICES = Slices(rows=2, columns=3, overlap=0.25)
LARGE = picture_size(SLICES, HEIGHT, WIDTH)


def sliced(seq: int = 0, **changes: object) -> Frame:
    pixels = np.random.default_rng(seq).integers(1, 255, (*LARGE, 3), dtype=np.uint8)
    packed = bytes(simplejpeg.encode_jpeg(pixels, quality=90, colorspace="BGR"))
    usual = {"captured_at": NOON, "slices": SLICES, "picture": packed}
    return frame(seq, **(usual | changes))


def test_tiles_are_the_parts_of_the_picture_and_it_is_let_go_after_the_last() -> None:
    made = sliced()
    sheet = Sheet(made, SLICES)
    whole = simplejpeg.decode_jpeg(made.picture, "BGR")
    room = empty_batch(1, HEIGHT, WIDTH)[0]
    for index, (top, left) in enumerate(corners(SLICES, HEIGHT, WIDTH)):
        sheet.cut_into(index, room)
        assert np.array_equal(room, whole[top : top + HEIGHT, left : left + WIDTH])
    assert sheet._picture is None


def test_a_picture_that_is_not_of_the_sliced_size_is_rejected_by_every_tile() -> None:
    sheet = Sheet(sliced(picture=picture()), SLICES)
    for index in (0, 1):
        with pytest.raises(Rejected, match=f"headers say {LARGE[0]}x{LARGE[1]}"):
            sheet.cut_into(index, empty_batch(1, HEIGHT, WIDTH)[0])


def test_results_of_another_version_make_the_earlier_tiles_be_done_again() -> None:
    sheet = Sheet(sliced(), SLICES)
    assert [sheet.add(index, (), version="v1") for index in range(3)] == [()] * 3
    assert sheet.add(3, (), version="v2") == (0, 1, 2)
    assert [sheet.add(index, (), version="v2") for index in (4, 5, 0, 1)] == [()] * 4
    assert not sheet.is_complete
    sheet.add(2, (), version="v2")
    assert sheet.is_complete


async def test_tiles_join_whatever_batches_and_come_back_as_one_frame() -> None:
    engine = MoodyEngine()
    async with at_work(engine) as bench:
        bench.put(sliced(0))
        bench.put(frame(1, captured_at=NOON))
        bench.put(sliced(2))
        outcomes = await bench.ended(3)
    assert statuses(outcomes) == ["detected"] * 3
    assert sum(batches(engine)) == 2 * SLICES.tiles + 1
    assert max(batches(engine)) == SIZE_MAX
    assert len(outcomes[0].objects) > 0
    assert max(found.box[2] for found in outcomes[0].objects) > fake_objects(1, *LARGE)[0].box[2]


async def test_one_tile_that_fails_fails_the_frame_alone() -> None:
    black = np.full((*LARGE, 3), 200, dtype=np.uint8)
    black[-HEIGHT:, -WIDTH:] = 0
    packed = bytes(simplejpeg.encode_jpeg(black, quality=95, colorspace="BGR"))
    async with at_work(MoodyEngine(poison=0)) as bench:
        bench.put(sliced(0, picture=packed))
        bench.put(sliced(1))
        outcomes = await bench.ended(2)
        assert len(bench.batcher) == 0
    assert statuses(outcomes) == ["failed", "detected"]
    assert outcomes[0].objects == ()


async def test_half_a_sliced_picture_is_rejected_once_and_withdrawn() -> None:
    async with at_work() as bench:
        whole = sliced(0)
        bench.put(msgspec.structs.replace(whole, picture=whole.picture[:2000]))
        bench.put(sliced(1))
        outcomes = await bench.ended(2)
    assert statuses(outcomes) == ["rejected", "detected"]
    assert outcomes[0].dead is not None


async def test_a_sliced_frame_over_its_age_expires_with_all_its_tiles() -> None:
    engine = MoodyEngine()
    async with at_work(engine) as bench:
        bench.loader.gate.clear()
        bench.put(sliced(0, max_age_ms=200))
        outcomes = await bench.ended(1)
        assert len(bench.batcher) == 0
        bench.loader.gate.set()
    assert statuses(outcomes) == ["expired"]
    assert batches(engine) == []


class Gated(MoodyEngine):
    """Holds its batches until it is let go; the self-test's pictures come singly."""

    gate = threading.Event()

    def infer(self, pictures: Pictures) -> list[Objects]:
        assert len(pictures) == 1 or self.gate.wait(10)
        return super().infer(pictures)


async def test_a_swap_between_the_tiles_leaves_one_version_in_the_frame() -> None:
    """Two batches of tiles are in the old version when the new one comes; four are left."""
    old = Gated()
    async with at_work(old) as bench:
        slices = Slices(rows=3, columns=4, overlap=0.25)
        pixels = np.full((*picture_size(slices, HEIGHT, WIDTH), 3), 99, dtype=np.uint8)
        packed = bytes(simplejpeg.encode_jpeg(pixels, colorspace="BGR"))
        bench.put(sliced(0, slices=slices, picture=packed))
        for _ in range(1000):
            if len(bench.batcher) == 4:
                bench.models.announce(msgspec.structs.replace(SPEC, version="v2"))
            if bench.models.version("park-n") == "v2":
                break
            await asyncio.sleep(0.002)
        old.gate.set()
        outcomes = await bench.ended(1)
        new = bench.loader.engines["v2"]
    assert statuses(outcomes) == ["detected"]
    assert outcomes[0].version == "v2"
    assert sum(batches(old)) == 8
    # Four more where an old batch comes back behind the first new one, and takes its place.
    assert sum(batches(new)) in (12, 16)
