"""Whole frames are unpacked where the engine wants it; tiles, and all others, in main memory."""

from collections.abc import Sequence

import numpy as np

from consumers.detector.decode import decode_into, empty_batch
from consumers.detector.engines.protocol import Unpacked
from tests.unit.consumers.detector.bench import at_work, statuses
from tests.unit.consumers.detector.made import NOON, frame, picture
from tests.unit.consumers.detector.scripted import MoodyEngine
from tests.unit.consumers.detector.test_slices import sliced
from wire.errors import Rejected


class Device:
    """Decodes as a device would, and notes how many JPEGs it was given."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def decode(self, packed: Sequence[bytes], height: int, width: int) -> Unpacked:
        self.given.append(len(packed))
        good, faults = [], []
        for value in packed:
            room = empty_batch(1, height, width)
            try:
                decode_into(value, room[0])
                good.append(room)
                faults.append(None)
            except Rejected as error:
                faults.append(str(error))
        pictures = np.concatenate(good) if good else empty_batch(0, height, width)
        return Unpacked(pictures=pictures, faults=tuple(faults))


class DeviceEngine(MoodyEngine):
    """Has a decoder of its own."""

    device = Device()

    @property
    def decoder(self) -> Device:  # type: ignore[override]
        return self.device


async def test_the_engines_decoder_gets_the_jpegs_and_says_which_are_bad() -> None:
    engine = DeviceEngine()
    engine.device = Device()
    async with at_work(engine) as bench:
        for seq in range(4):
            value = picture(seq)[:500] if seq == 1 else picture(seq)
            bench.put(frame(seq, captured_at=NOON, picture=value))
        outcomes = await bench.ended(4)
    assert statuses(outcomes) == ["detected", "rejected", "detected", "detected"]
    assert sum(engine.device.given) == 4
    assert outcomes[0].objects != outcomes[2].objects


async def test_tiles_never_go_to_the_engines_decoder() -> None:
    engine = DeviceEngine()
    engine.device = Device()
    async with at_work(engine) as bench:
        bench.put(sliced(0))
        assert statuses(await bench.ended(1)) == ["detected"]
    assert engine.device.given == []
