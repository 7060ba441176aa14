"""Drawn scenes: the same for the same seed, with a truth that fits them."""

from collections import defaultdict
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from samples.scenes import ensure_scene, make_scene, read_truth, truth_path
from samples.stage import SIDE_MIN_PX, Seen


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "park.mp4"
    make_scene(path, seed=7, seconds=8)
    return path


def test_the_same_seed_gives_the_same_pictures_and_the_same_truth(
    scene: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.mp4"
    make_scene(again, seed=7, seconds=8)
    assert np.array_equal(_pictures(scene), _pictures(again))
    assert truth_path(scene).read_bytes() == truth_path(again).read_bytes()


def test_another_seed_gives_another_park(scene: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    make_scene(other, seed=8, seconds=1)
    assert not np.array_equal(_pictures(scene)[:10], _pictures(other))


def test_the_video_has_the_length_and_size_that_were_asked_for(tmp_path: Path) -> None:
    info = make_scene(tmp_path / "small.mp4", seed=1, seconds=1.5, fps=8, width=320, height=192)
    assert _pictures(info.path).shape == (12, 192, 320, 3)
    assert info.frames == len(list(read_truth(info.path))) == 12


def test_a_key_picture_comes_every_50_frames_and_no_picture_refers_to_a_later_one(
    scene: Path,
) -> None:
    with av.open(scene) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert [index for index, packet in enumerate(packets) if packet.is_keyframe] == [0, 50]
    assert all(packet.pts == packet.dts for packet in packets)


def test_boxes_lie_inside_the_picture(scene: Path) -> None:
    for box in _all_boxes(scene):
        assert 0 <= box.x1 <= box.x2 - SIDE_MIN_PX
        assert 0 <= box.y1 <= box.y2 - SIDE_MIN_PX
        assert box.x2 <= 640
        assert box.y2 <= 360


def test_a_track_keeps_its_class_and_moves_without_jumps(scene: Path) -> None:
    tracks: defaultdict[int, dict[int, Seen]] = defaultdict(dict)
    for frame, boxes in enumerate(read_truth(scene)):
        assert len({box.track for box in boxes}) == len(boxes)
        for box in boxes:
            tracks[box.track][frame] = box
    assert len(tracks) >= 5
    for seen in tracks.values():
        assert len({box.class_id for box in seen.values()}) == 1
        for frame, box in seen.items():
            if (after := seen.get(frame + 1)) is not None:
                assert abs(after.x1 + after.x2 - box.x1 - box.x2) / 2 < 45
                assert abs(after.y2 - box.y2) < 10


def test_all_four_classes_come_along_within_a_minute(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    make_scene(path, seed=3, seconds=40, fps=1)
    assert {box.class_id for box in _all_boxes(path)} == {0, 1, 2, 3}


def test_a_scene_is_made_on_first_use_and_reused_after(tmp_path: Path) -> None:
    first = ensure_scene(tmp_path, seed=5, seconds=0.5)
    made_ns = first.stat().st_mtime_ns
    assert ensure_scene(tmp_path, seed=5, seconds=0.5) == first
    assert first.stat().st_mtime_ns == made_ns
    assert ensure_scene(tmp_path, seed=6, seconds=0.5) != first


def test_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    path = ensure_scene(tmp_path, seed=5, seconds=0.5)
    assert set(tmp_path.iterdir()) == {path, truth_path(path)}


@pytest.mark.parametrize(
    ("seconds", "width", "message"), [(1.0, 641, "must be even"), (0.01, 640, "longer scene")]
)
def test_what_cannot_be_coded_is_refused_before_a_file_is_written(
    tmp_path: Path, seconds: float, width: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_scene(tmp_path / "no.mp4", seed=1, seconds=seconds, width=width)
    assert not list(tmp_path.iterdir())


def _pictures(path: Path) -> NDArray[np.uint8]:
    with av.open(path) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return np.stack(frames).astype(np.uint8)


def _all_boxes(path: Path) -> list[Seen]:
    return [box for boxes in read_truth(path) for box in boxes]
