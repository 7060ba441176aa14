"""AP50 on cases that are worked out by hand."""

from dataclasses import replace

import pytest

from samples.precision import Found, Judged, ap50, iou, mean

CAR = Found(class_id=2, confidence=1.0, x1=0, y1=0, x2=10, y2=10)


def car(left: float, confidence: float = 1.0, class_id: int = 2) -> Found:
    """Return a box of 10x10 px at a place."""
    return replace(CAR, x1=left, x2=left + 10, confidence=confidence, class_id=class_id)


@pytest.mark.parametrize(
    ("left", "shared"), [(0, 1.0), (5, 1 / 3), (10, 0.0), (-5, 1 / 3), (30, 0.0)]
)
def test_overlap_is_the_shared_part_of_the_whole(left: float, shared: float) -> None:
    assert iou(CAR, car(left)) == pytest.approx(shared)


@pytest.mark.parametrize(
    ("found", "truth", "area"),
    [
        ([car(0)], [car(0)], 1.0),
        ([], [car(0)], 0.0),
        ([car(4)], [car(0)], 0.0),  # overlaps by 6/14
        ([car(3)], [car(0)], 1.0),  # overlaps by 7/13
        ([car(0, class_id=1)], [car(0)], 0.0),
        ([car(0)], [car(0), car(100)], 0.5),
        # A second box on one object is a false one; ranked first or last it costs differently.
        ([car(0, 0.9), car(0, 0.8)], [car(0)], 1.0),
        ([car(0, 0.9), car(1, 0.8), car(100, 0.7)], [car(0), car(100)], (1 + 2 / 3) / 2),
        ([car(50, 0.9), car(0, 0.8)], [car(0)], 0.5),
        # Equal confidence has no order: precision is 1/2 for both.
        ([car(0, 0.5), car(50, 0.5)], [car(0)], 0.5),
        ([car(50, 0.5), car(0, 0.5)], [car(0)], 0.5),
        # Precision is made falling: 1/2 at recall 1/2 is lifted to the 2/3 that comes later.
        ([car(50, 0.9), car(0, 0.8), car(100, 0.7)], [car(0), car(100)], 2 / 3),
    ],
)
def test_precision_over_recall_of_one_picture(
    found: list[Found], truth: list[Found], area: float
) -> None:
    assert ap50([Judged(found=found, truth=truth)]) == {2: pytest.approx(area)}


def test_boxes_of_all_pictures_are_ranked_together_and_matched_in_their_own() -> None:
    one = Judged(found=[car(0, 0.6)], truth=[car(0)])
    other = Judged(found=[car(0, 0.9)], truth=[car(100)])
    assert ap50([one, other]) == {2: pytest.approx(0.25)}


def test_the_mean_is_over_classes_that_are_there() -> None:
    picture = Judged(found=[car(0), car(40, class_id=3)], truth=[car(0), car(40, class_id=1)])
    assert ap50([picture]) == {1: 0.0, 2: 1.0}
    assert mean(ap50([picture])) == 0.5
    assert mean({}) == 0.0
