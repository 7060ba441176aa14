"""The footage as benchmarks publish it, and the numbers of its frames."""

from datetime import UTC, datetime

from benchmarks.pictures import CAMERA, Reel, packed_pictures
from pipeline.encode import decode_jpeg

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_the_footage_gives_different_pictures_of_the_inference_size() -> None:
    packed = packed_pictures()
    assert len(packed) == len(set(packed)) >= 64
    assert decode_jpeg(packed[0]).shape == (CAMERA.height, CAMERA.width, 3)


def test_frames_are_numbered_without_holes_in_each_stream() -> None:
    reel = Reel([b"1", b"2", b"3"], account="bench", epochs={"a": 4, "b": 9})
    taken = [reel.take(stream, captured_at=NOW, max_age_ms=5_000) for stream in "aabab"]
    assert [frame.id for frame in taken] == ["a/4/0", "a/4/1", "b/9/0", "a/4/2", "b/9/1"]
    assert [frame.picture for frame in taken] == [b"1", b"2", b"3", b"1", b"2"]
    assert (reel.taken, reel.taken_of("a"), reel.taken_of("b")) == (5, 3, 2)
