"""Pictures that are none, or others than promised: each rejected with its reason, alone."""

import tracemalloc

import numpy as np
import pytest
import simplejpeg

from consumers.detector.decode import decode_into, decode_whole, empty_batch
from tests.unit.consumers.detector.bench import at_work, batches, statuses
from tests.unit.consumers.detector.made import HEIGHT, NOON, PICTURE, WIDTH, frame, picture
from tests.unit.consumers.detector.scripted import MoodyEngine
from wire.errors import Rejected

SOF = b"\xff\xc0"
HUGE = 12_000


def patched(at: int, value: bytes) -> bytes:
    """Return a picture with other bytes in its start-of-frame header."""
    start = PICTURE.index(SOF) + at
    return PICTURE[:start] + value + PICTURE[start + len(value) :]


def encoded(height: int, width: int) -> bytes:
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    return bytes(simplejpeg.encode_jpeg(pixels, colorspace="BGR"))


def cmyk() -> bytes:
    """Return a picture whose header declares a fourth component, which decoders read as CMYK."""
    start = PICTURE.index(SOF)
    length = int.from_bytes(PICTURE[start + 2 : start + 4], "big")
    header = bytearray(PICTURE[start : start + 2 + length])
    header[2:4] = (length + 3).to_bytes(2, "big")
    header[9] = 4
    for index in range(3):
        header[11 + 3 * index] = 0x11
    return PICTURE[:start] + bytes(header) + bytes((4, 0x11, 0)) + PICTURE[start + 2 + length :]


BAD = {
    "one pixel": (encoded(1, 1), "the picture is 1x1, its headers say 64x96"),
    "far too large": (patched(5, HUGE.to_bytes(2, "big") * 2), f"the picture is {HUGE}x{HUGE}"),
    "CMYK": (cmyk(), "pictures in CMYK are not taken"),
    "16 bits": (patched(4, b"\x10"), "not a whole JPEG"),
    "12 bits": (patched(4, b"\x0c"), "not a whole JPEG"),
    "truncated": (PICTURE[: len(PICTURE) // 2], "not a whole JPEG"),
    "without its end": (PICTURE[:-2], "not a whole JPEG"),
    "empty": (b"\x00", "not a whole JPEG"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_rejected_with_a_clear_reason(name: str) -> None:
    value, reason = BAD[name]
    with pytest.raises(Rejected, match=reason):
        decode_into(value, empty_batch(1, HEIGHT, WIDTH)[0])


async def test_none_of_them_costs_a_neighbour() -> None:
    engine = MoodyEngine()
    async with at_work(engine) as bench:
        for seq, (value, _) in enumerate(BAD.values()):
            bench.put(frame(2 * seq, captured_at=NOON, picture=value))
            bench.put(frame(2 * seq + 1, captured_at=NOON, picture=picture(seq)))
        outcomes = await bench.ended(2 * len(BAD))
    assert statuses(outcomes) == ["rejected", "detected"] * len(BAD)
    assert sum(batches(engine)) == len(BAD)
    assert all(outcome.dead is not None for outcome in outcomes[::2])


def test_a_huge_picture_is_refused_before_anything_is_unpacked() -> None:
    value, _ = BAD["far too large"]
    tracemalloc.start()
    with pytest.raises(Rejected, match="over 100000000 pixels"):
        decode_whole(value, HUGE, HUGE)
    with pytest.raises(Rejected, match=f"its headers say {HEIGHT}x{WIDTH}"):
        decode_whole(value, HEIGHT, WIDTH)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
