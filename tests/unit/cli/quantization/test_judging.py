"""When an int8 model is good enough, and what it is judged by."""

import pytest

from cli.quantization.judging import judge, reported
from cli.quantization.pictures import evenly, placed
from pipeline.encode import letterbox
from samples.precision import Found
from samples.stage import Seen
from tests.unit.samples.test_precision import car
from wire.errors import Rejected


def hundred(hits: int) -> list[list[Found]]:
    """Return what is found in 100 pictures of one car each, of which `hits` are seen."""
    return [[car(0 if index < hits else 50)] for index in range(100)]


@pytest.mark.parametrize(("hits", "accepted"), [(100, True), (99, False), (50, False)])
def test_a_drop_of_a_hundredth_is_refused(hits: int, accepted: bool) -> None:
    truth = hundred(100)
    verdict = judge(hundred(100), hundred(hits), truth)
    assert (verdict.before, verdict.is_accepted) == (1.0, accepted)
    assert judge(hundred(hits), hundred(100), truth).is_accepted


def test_pictures_without_objects_judge_nothing() -> None:
    with pytest.raises(Rejected, match="nothing is to be seen"):
        judge([[car(0)]], [[car(0)]], [[]])


def test_the_float_models_reports_are_what_passes_its_own_threshold() -> None:
    found = [[car(0, 0.25), car(50, 0.24)], []]
    assert reported(found, 0.25) == [[car(0, 0.25)], []]


def test_a_drawn_box_moves_with_its_picture() -> None:
    import numpy as np

    fitted = letterbox(np.zeros((360, 640, 3), np.uint8), 320, 320)
    seen = Seen(class_id=1, track=4, x1=100, y1=20, x2=140, y2=60)
    assert placed(seen, fitted) == Found(class_id=1, confidence=1.0, x1=50, y1=80, x2=70, y2=100)


def test_frames_are_spread_over_the_whole_and_never_taken_twice() -> None:
    assert list(evenly(10, 4)) == [0, 2, 5, 7]
    assert list(evenly(3, 300)) == [0, 1, 2]
    assert list(evenly(0, 300)) == []
