"""A version passes its test when it does its task, with its classes, at the sizes in use."""

import pytest

from consumers.detector.engines.fake import NAMES, FakeEngine
from consumers.detector.selftest import TEST_SIZE, check_classes, self_test
from tests.unit.consumers.detector.scripted import SPEC, MoodyEngine
from wire.errors import Rejected

SIZES = ((64, 96), (640, 640))


def test_a_good_engine_passes_and_is_tried_with_two_pictures_a_size() -> None:
    engine = MoodyEngine()
    assert self_test(engine, SPEC, SIZES, NAMES) == {}
    assert engine.calls == [1] * 4


def test_without_a_size_in_use_a_small_one_is_tried() -> None:
    with pytest.raises(Rejected, match="128x128"):
        self_test(MoodyEngine(bad_size=TEST_SIZE), SPEC, (), None)


def test_one_size_that_does_not_run_is_named_and_the_version_passes_for_the_others() -> None:
    engine = MoodyEngine(bad_size=(640, 640))
    assert self_test(engine, SPEC, SIZES, None) == {(640, 640): "it cannot run 640x640: too wide"}


def test_another_task_is_refused() -> None:
    with pytest.raises(Rejected, match="for pose, model park-n is registered for detect"):
        self_test(FakeEngine(task="pose"), SPEC, SIZES, None)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (("a", "b"), r"2, not 3: without c\)"),
        (("a", "b", "c", "d"), r"4, not 3: with d\)"),
        (("a", "c", "b"), "in another order"),
        (("x",), "without a, b, c and with x"),
    ],
)
def test_other_classes_are_refused_with_the_difference(found: tuple[str, ...], said: str) -> None:
    with pytest.raises(Rejected, match=said):
        check_classes(found, ("a", "b", "c"))
