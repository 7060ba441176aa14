"""How the pipeline is compared with its rival, and the files that both play."""

from pathlib import Path

import av
import pytest

from benchmarks.clips import RATE, cut_clips, truncate
from benchmarks.pipeline import Played, Round, compare
from benchmarks.rival import Counted, Predicted


def turn(*, ours: float, torch: float, openvino: float) -> Round:
    """Return one round with these speeds."""
    return Round(
        ours=Played(
            images_per_second=ours, exact=True, inside={"engine": "fake", "batch_mean": 4.0}
        ),
        torch=Predicted(images_per_second=torch, device="torch, cpu", objects=1.0, images=8),
        openvino=Predicted(images_per_second=openvino, device="openvino", objects=1.0, images=8),
    )


def test_medians_of_the_rounds_are_compared() -> None:
    found = compare([turn(ours=80, torch=20, openvino=60), turn(ours=100, torch=40, openvino=120)])
    assert found["pipeline_images_per_second"] == 90
    assert (found["pipeline_to_torch"], found["pipeline_to_openvino"]) == (3.0, 1.0)


def test_what_came_before_the_end_of_the_warm_up_is_no_speed() -> None:
    counted = Counted(skip=2, images=20, objects=50)
    counted.moments_s += [0.0, 10.0, 10.5, 11.0, 11.5]
    found = counted.predicted("torch, cpu", batch_size=4)
    assert found.images_per_second == pytest.approx(2 * 4 / 1.0)
    assert found.objects == 2.5


def test_clips_are_of_one_length_and_a_truncated_one_opens_and_is_shorter(tmp_path: Path) -> None:
    first, second = cut_clips(tmp_path, 2, frames=12)
    assert [pictures(first), pictures(second)] == [12, 12]
    assert first.read_bytes() != second.read_bytes()
    assert times(first) == pytest.approx([number / RATE for number in range(12)])
    dead = truncate(first, tmp_path / "dead.mp4", share=0.9)
    assert 0 < pictures(dead) < 12


def pictures(clip: Path) -> int:
    """Return how many pictures can be read of a file."""
    count = 0
    with av.open(str(clip)) as container:
        for packet in container.demux(video=0):
            try:
                count += len(packet.decode())
            except av.error.FFmpegError:
                break
    return count


def times(clip: Path) -> list[float]:
    """Return the times (s) at which a file's pictures are to be shown."""
    with av.open(str(clip)) as container:
        return [frame.time for frame in container.decode(video=0)]
