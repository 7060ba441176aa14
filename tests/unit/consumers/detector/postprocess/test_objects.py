"""What each task adds to an object, from outputs that were written by hand."""

import math

import numpy as np
import pytest

from consumers.detector.engines.protocol import Objects, Thresholds
from consumers.detector.postprocess import OBJECTS_MAX, Head, objects_for
from consumers.detector.postprocess.candidates import Candidates, Floats
from consumers.detector.postprocess.suppression import BLOCK, suppress_turned
from wire.errors import Rejected

NAMES = ("person", "bicycle")
USUAL = Thresholds(confidence=0.25, iou=0.7)
_POSE = Head(task="pose", names=NAMES, keypoint_shape=(17, 3), end2end=True)
_SEGMENT = Head(task="segment", names=NAMES, end2end=True)


def raw(*rows: tuple[float, ...]) -> Floats:
    """Return raw output for one picture from rows (cx, cy, w, h, scores…, extras…)."""
    return np.array(rows, dtype=np.float32).T[None]


def final(*rows: tuple[float, ...]) -> Floats:
    """Return an end-to-end answer for one picture from rows (box…, score, class, extras…)."""
    return np.array(rows, dtype=np.float32)[None]


def objects(head: Head, *outputs: np.ndarray) -> Objects:  # type: ignore[type-arg]
    (found,) = objects_for(outputs, head=head, height=64, width=96, thresholds=USUAL)
    return found


def test_keypoints_end_at_the_picture_and_are_sure_where_no_confidence_is_told() -> None:
    answer = raw((40, 30, 20, 10, 0.9, 0.1, 33, 20.126, 120, -4))
    (found,) = objects(Head(task="pose", names=NAMES, keypoint_shape=(2, 2)), answer)
    assert found.keypoints == ((33.0, 20.13, 1.0), (96.0, 0.0, 1.0))
    (found,) = objects(
        Head(task="pose", names=NAMES, keypoint_shape=(1, 3)),
        answer[:, [0, 1, 2, 3, 4, 5, 6, 7, 5]],
    )
    assert found.keypoints == ((33.0, 20.13, 0.1),)


def test_a_turned_box_has_four_corners_and_a_box_around_them() -> None:
    (found,) = objects(Head(task="obb", names=NAMES), raw((48, 32, 20, 10, 0.9, 0, math.pi / 2)))
    assert set(found.corners) == {(53.0, 22.0), (53.0, 42.0), (43.0, 42.0), (43.0, 22.0)}
    assert found.box == (43.0, 22.0, 53.0, 42.0)


def test_the_same_box_turned_a_quarter_is_another_object() -> None:
    flat, repeated = (48, 32, 40, 10, 0.9, 0, 0.0), (48, 32, 40, 10, 0.8, 0, 0.02)
    across = (48, 32, 40, 10, 0.7, 0, math.pi / 2)
    found = objects(Head(task="obb", names=NAMES), raw(flat, repeated, across))
    assert [thing.confidence for thing in found] == [0.9, 0.7]


@pytest.mark.parametrize("iou", [0.02, 0.3, 0.7])
def test_turned_boxes_are_suppressed_as_ultralytics_does(iou: float) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("ultralytics")
    from ultralytics.utils.metrics import batch_probiou
    from ultralytics.utils.nms import TorchNMS

    chance, count = np.random.default_rng(4), BLOCK + 60
    centre, sides = chance.uniform(0, 300, (count, 2)), chance.uniform(4, 60, (count, 2))
    angles = chance.uniform(-0.8, 2.3, (count, 1))
    scores = np.sort(chance.uniform(0.3, 1, count))[::-1].copy()
    kept = suppress_turned(
        Candidates(
            boxes=np.hstack((centre - sides / 2, centre + sides / 2)).astype(np.float32),
            scores=scores.astype(np.float32),
            classes=np.zeros(count, dtype=np.intp),
            extras=angles.astype(np.float32),
        ),
        iou,
    )
    boxes = torch.from_numpy(np.hstack((centre, sides, angles)).astype(np.float32))
    wanted = TorchNMS.fast_nms(boxes, torch.from_numpy(scores), iou, iou_func=batch_probiou)
    assert kept.scores.tolist() == scores.astype(np.float32)[wanted[:OBJECTS_MAX]].tolist()
    assert len(kept) < count


def test_of_an_end_to_end_head_only_the_confidence_is_asked() -> None:
    """Corners, score and class: nothing is found twice, so what overlaps is two things."""
    rows = [(30, 25, 50, 35, 0.9, 1), (30, 25, 50, 35, 0.8, 1), (0, 0, 9, 9, 0.25, 0)]
    found = objects(Head(task="detect", names=NAMES, end2end=True), final(*rows))
    assert [(thing.class_name, thing.box) for thing in found] == [
        ("bicycle", (30.0, 25.0, 50.0, 35.0))
    ] * 2
    many = final(*((i, 0, i + 9, 9, 0.9, 0) for i in range(OBJECTS_MAX + 1)))
    assert len(objects(Head(task="detect", names=NAMES, end2end=True), many)) == OBJECTS_MAX


def test_what_a_task_adds_comes_after_the_class_of_an_end_to_end_head() -> None:
    pose = Head(task="pose", names=NAMES, keypoint_shape=(1, 3), end2end=True)
    (found,) = objects(pose, final((30, 25, 50, 35, 0.9, 1, 33, 20, 0.1)))
    assert (found.box, found.keypoints) == ((30.0, 25.0, 50.0, 35.0), ((33.0, 20.0, 0.1),))
    turned = Head(task="obb", names=NAMES, end2end=True)
    (found,) = objects(turned, final((48, 32, 20, 10, 0.9, 0, math.pi / 2)))
    assert found.box == (43.0, 22.0, 53.0, 42.0), "a turned box comes as its centre and size"
    (found,) = objects(
        Head(task="segment", names=NAMES, end2end=True),
        final((30, 25, 50, 35, 0.9, 0, 1.0), (70, 25, 90, 35, 0.8, 0, -1.0)),
        np.ones((1, 1, 16, 24), dtype=np.float32),
    )
    assert set(found.mask) == {(30.0, 25.0), (49.0, 25.0), (49.0, 34.0), (30.0, 34.0)}


def test_a_segmented_object_without_a_mask_is_left_out() -> None:
    prototypes = np.ones((1, 1, 16, 24), dtype=np.float32)
    answer = raw((40, 30, 20, 10, 0.9, 0, 1.0), (80, 30, 20, 10, 0.8, 0, -1.0))
    (found,) = objects(Head(task="segment", names=NAMES), answer, prototypes)
    assert found.confidence == 0.9
    assert set(found.mask) == {(30.0, 25.0), (49.0, 25.0), (49.0, 34.0), (30.0, 34.0)}


def test_a_classified_picture_has_its_best_classes_as_large_as_it_is() -> None:
    head = Head(task="classify", names=tuple("abcdefg"))
    found = objects(head, np.array([[0.1, 0.3, 0.05, 0.2, 0.15, 0.01, 0.19]], dtype=np.float32))
    assert [thing.class_name for thing in found] == ["b", "d", "g", "e", "a"]
    assert {thing.box for thing in found} == {(0.0, 0.0, 96.0, 64.0)}


@pytest.mark.parametrize(
    ("head", "shapes", "fits"),
    [
        (Head(task="detect", names=NAMES), [(1, 6, 84)], True),
        (Head(task="detect", names=NAMES), [(1, 300, 6)], False),
        (Head(task="obb", names=NAMES), [(1, 7, 84)], True),
        (Head(task="pose", names=NAMES, keypoint_shape=(17, 3)), [(1, 57, 84)], True),
        (Head(task="pose", names=NAMES, keypoint_shape=(17, 2)), [(1, 57, 84)], False),
        (Head(task="segment", names=NAMES), [(1, 38, 84), (1, 32, 16, 24)], True),
        (Head(task="segment", names=NAMES), [(1, 38, 84)], False),
        (Head(task="segment", names=NAMES), [(1, 38, 84), (1, 32, 15, 24)], False),
        (Head(task="detect", names=("a",) * 80), [(1, 84, 6)], False),
        (Head(task="segment", names=NAMES), [(1, 38, 38), (1, 32, 16, 24)], False),
        (Head(task="detect", names=NAMES, end2end=True), [(1, 300, 6)], True),
        (Head(task="detect", names=NAMES, end2end=True), [(1, 6, 84)], False),
        (Head(task="obb", names=NAMES, end2end=True), [(1, 300, 7)], True),
        (Head(task="obb", names=NAMES, end2end=True), [(1, 300, 6)], False),
        (_POSE, [(1, 300, 57)], True),
        (_POSE, [(1, 57, 300)], False),
        (_SEGMENT, [(1, 300, 38), (1, 32, 16, 24)], True),
        (_SEGMENT, [(1, 300, 6), (1, 32, 16, 24)], False),
        (Head(task="classify", names=NAMES), [(1, 2)], True),
        (Head(task="classify", names=NAMES), [(1, 2, 1)], False),
    ],
)
def test_outputs_fit_or_the_message_says_what_would(
    head: Head, shapes: list[tuple[int, ...]], fits: bool
) -> None:
    if fits:
        head.check(shapes, height=64, width=96)
        return
    with pytest.raises(Rejected, match=f"as a {head.task} model with {len(head.names)} classes"):
        head.check(shapes, height=64, width=96)
