"""Suppression: against a slow and obvious reference, and bounded."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumers.detector.engines.protocol import Thresholds
from consumers.detector.postprocess import CANDIDATES_MAX, OBJECTS_MAX, objects_of
from consumers.detector.postprocess.candidates import Candidates, candidates_of
from consumers.detector.postprocess.suppression import BLOCK, suppress

NAMES = ("person", "bicycle", "car")
USUAL = Thresholds(confidence=0.25, iou=0.7)


def raw(*rows: tuple[float, ...]) -> np.ndarray:  # type: ignore[type-arg]
    """Return raw output for one picture from rows (cx, cy, w, h, scores…)."""
    return np.array(rows, dtype=np.float32).T[None]


def objects(output: np.ndarray, thresholds: Thresholds = USUAL):  # type: ignore[type-arg,no-untyped-def]
    (found,) = objects_of(output, names=NAMES, height=64, width=96, thresholds=thresholds)
    return found


def overlap(one: np.ndarray, other: np.ndarray) -> float:  # type: ignore[type-arg]
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return float(shared / (areas - shared)) if areas > shared else 0.0


def reference(candidates: Candidates, iou: float) -> list[int]:
    """Return which candidates stay: the textbook's two loops."""
    kept: list[int] = []
    for index in range(len(candidates.boxes)):
        if all(
            candidates.classes[index] != candidates.classes[other]
            or overlap(candidates.boxes[index], candidates.boxes[other]) <= iou
            for other in kept
        ):
            kept.append(index)
    return kept


@example(seed=1, count=2 * BLOCK + 9, iou=0.3)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.sampled_from([0.3, 0.5, 0.7]))
def test_it_keeps_what_the_textbook_keeps(seed: int, count: int, iou: float) -> None:
    chance = np.random.default_rng(seed)
    corners = chance.uniform(0, 30, (count, 2))
    candidates = Candidates(
        boxes=np.hstack((corners, corners + chance.uniform(5, 40, (count, 2)))).astype(np.float32),
        scores=np.sort(chance.uniform(0.3, 1, count))[::-1].astype(np.float32),
        classes=chance.integers(0, 2, count),
        extras=np.zeros((count, 0), dtype=np.float32),
    )
    kept = suppress(candidates, iou)
    assert kept.scores.tolist() == candidates.scores[reference(candidates, iou)].tolist()


def test_an_object_has_its_class_its_confidence_and_its_corners() -> None:
    (found,) = objects(raw((40, 30, 20, 10, 0.1, 0.2, 0.9)))
    assert (found.class_id, found.class_name) == (2, "car")
    assert found.confidence == pytest.approx(0.9, abs=1e-4)
    assert found.box == (30.0, 25.0, 50.0, 35.0)


def test_boxes_end_at_the_picture() -> None:
    (found,) = objects(raw((90, 60, 40, 40, 0.9, 0, 0)))
    assert found.box == (70.0, 40.0, 96.0, 64.0)


def test_only_overlapping_objects_of_one_class_are_merged() -> None:
    twice = (40, 30, 20, 10, 0.9, 0, 0), (41, 30, 20, 10, 0.8, 0, 0)
    assert len(objects(raw(*twice))) == 1
    assert len(objects(raw(twice[0], (41, 30, 20, 10, 0, 0.8, 0)))) == 2
    assert len(objects(raw(twice[0], (70, 30, 20, 10, 0.8, 0, 0)))) == 2


def test_what_is_not_confident_enough_is_left_out() -> None:
    assert objects(raw((40, 30, 20, 10, 0.25, 0, 0))) == ()


def test_a_batch_keeps_its_pictures_apart() -> None:
    one = raw((40, 30, 20, 10, 0.9, 0, 0))
    none = raw((40, 30, 20, 10, 0.0, 0, 0))
    found = objects_of(
        np.concatenate((one, none, one)), names=NAMES, height=64, width=96, thresholds=USUAL
    )
    assert [len(picture) for picture in found] == [1, 0, 1]


def test_candidates_and_objects_are_bounded() -> None:
    count = 2 * CANDIDATES_MAX
    places = np.arange(count, dtype=np.float32) * 10
    output = np.zeros((1, 7, count), dtype=np.float32)
    output[0, 0], output[0, 2:4], output[0, 4] = places, 5, np.linspace(0.5, 1, count)
    candidates = candidates_of(output[0], 3, 0.25)
    assert len(candidates.scores) == CANDIDATES_MAX
    assert candidates.scores[0] == 1.0
    assert len(suppress(candidates, 0.7).scores) == OBJECTS_MAX
