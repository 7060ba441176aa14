"""A recording cut into packets that loop."""

from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from samples.catalog import FOOTAGE
from samples.clip import Clip, load_clip


@pytest.fixture(scope="module")
def clip() -> Clip:
    return load_clip(FOOTAGE)


def test_the_footage_has_all_its_pictures(clip: Clip) -> None:
    assert len(clip.units) == 480
    assert clip.duration_s == pytest.approx(48)
    assert clip.sps[0] & 31 == 7
    assert clip.pps[0] & 31 == 8


def test_times_grow_by_one_step_also_where_the_loop_closes(clip: Clip) -> None:
    times = [unit.present_s for unit in islice(clip.endless(0), 1000)]
    assert times[0] == 0
    assert all(after - before == pytest.approx(0.1) for before, after in pairwise(times))


def test_an_offset_begins_at_the_key_picture_before_it(clip: Clip) -> None:
    first = next(clip.endless(12))
    assert first.key
    assert first.nals == clip.units[100].nals
    assert first.decode_s == 0


def test_an_offset_beyond_the_end_wraps_around(clip: Clip) -> None:
    assert next(clip.endless(48 + 12)).nals == next(clip.endless(12)).nals


def test_a_file_in_another_coding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        black = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="bgr24")
        container.mux(stream.encode(black))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match=r"no H\.264 video"):
        load_clip(path)
