"""What the device leaves of raw answers is what postprocessing would have left of them."""

from typing import Any

import numpy as np
import pytest
import torch

from consumers.detector.engines import torch_selection
from consumers.detector.engines.protocol import Objects, Thresholds
from consumers.detector.engines.torch_selection import confident, strongest, survivors
from consumers.detector.postprocess import OBJECTS_MAX, Head, objects_for

NAMES = ("a", "b", "c")
HEIGHT, WIDTH = 480, 640
THRESHOLDS = Thresholds(confidence=0.25, iou=0.5)
ROWS = {"detect": 0, "pose": 51, "obb": 1}


def raw_answers(task: str, pictures: int, anchors: int, seed: int) -> Any:
    """Return crowded answers: many boxes overlap, in all classes and pictures."""
    chance = np.random.default_rng(seed)
    shape = (pictures, 4 + len(NAMES) + ROWS[task], anchors)
    raw = chance.random(shape, dtype=np.float32)
    raw[:, 0] = chance.integers(0, 6, (pictures, anchors)) * 100 + raw[:, 0] * 20
    raw[:, 1] = chance.integers(0, 4, (pictures, anchors)) * 100 + raw[:, 1] * 20
    raw[:, 2:4] = 40 + raw[:, 2:4] * 80
    raw[:, 4:7] **= 4
    return raw


def objects(task: str, raw: Any) -> list[Objects]:
    head = Head(task=task, names=NAMES, keypoint_shape=(17, 3) if task == "pose" else None)
    return objects_for([raw], head=head, height=HEIGHT, width=WIDTH, thresholds=THRESHOLDS)


def left(task: str, raw: Any) -> Any:
    best = strongest(torch.from_numpy(raw), len(NAMES))
    return survivors(best, classes=len(NAMES), task=task, thresholds=THRESHOLDS).numpy()


@pytest.mark.parametrize("task", ROWS)
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_that_counts_is_lost_on_the_device(task: str, seed: int) -> None:
    raw = raw_answers(task, pictures=5, anchors=400, seed=seed)
    wanted = objects(task, raw)
    assert objects(task, left(task, raw)) == wanted
    assert all(0 < len(found) < 400 for found in wanted)


def test_only_what_is_kept_travels() -> None:
    raw = raw_answers("detect", pictures=5, anchors=400, seed=1)
    assert left("detect", raw).shape[2] == max(map(len, objects("detect", raw)))


def test_pictures_that_are_suppressed_one_by_one_give_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = raw_answers("detect", pictures=5, anchors=400, seed=3)
    together = left("detect", raw)
    monkeypatch.setattr(torch_selection, "AT_ONCE_MAX", 10)
    assert np.array_equal(left("detect", raw), together)


def test_no_picture_leaves_more_than_the_most_objects() -> None:
    raw = raw_answers("detect", pictures=2, anchors=900, seed=4)
    raw[0, 0] = np.arange(900) % 30 * 200
    raw[0, 1] = np.arange(900) // 30 * 200
    raw[0, 4] = 0.9 - np.arange(900) / 10_000
    assert left("detect", raw).shape[2] == OBJECTS_MAX
    assert objects("detect", left("detect", raw)) == objects("detect", raw)


def test_pictures_with_nothing_leave_nothing() -> None:
    raw = np.zeros((3, 7, 50), dtype=np.float32)
    assert left("detect", raw).shape == (3, 7, 0)
    assert objects("detect", left("detect", raw)) == [(), (), ()]


def test_of_final_answers_only_those_down_to_the_last_sure_one_travel() -> None:
    final = np.zeros((2, 300, 6), dtype=np.float32)
    final[0, :3, 4], final[1, :5, 4] = (0.9, 0.4, 0.2), (0.8, 0.7, 0.6, 0.3, 0.25)
    left = confident(torch.from_numpy(final), THRESHOLDS.confidence).numpy()
    assert left.shape == (2, 4, 6)
    head = Head(task="detect", names=NAMES, end2end=True)
    wanted, found = (
        objects_for([raw], head=head, height=HEIGHT, width=WIDTH, thresholds=THRESHOLDS)
        for raw in (final, left)
    )
    assert found == wanted
    assert [len(things) for things in found] == [2, 4]
    assert confident(torch.from_numpy(final), 0.95).shape == (2, 0, 6)
