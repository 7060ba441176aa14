"""Measured rounds: what slows both sides of a ratio changes nothing, and doubt is told."""

from itertools import pairwise

import pytest

from cli.calibration.costs import Cost, Sample, batch_for, relative
from cli.calibration.probe import Ready, Slice
from cli.calibration.rounds import Schedule, measure, turns_of
from cli.calibration.subjects import Subject


def test_a_machine_that_slows_down_leaves_the_ratio_and_the_doubt_alone() -> None:
    steady = [Sample(seconds=0.4, reference=0.8)] * 9
    slowing = [Sample(seconds=0.4 * n, reference=0.8 * n) for n in range(1, 10)]
    assert relative(steady) == relative(slowing) == (0.5, 0.0)


def test_rounds_that_disagree_are_doubted_and_one_stray_round_is_not_believed() -> None:
    middle, doubt = relative([Sample(seconds=s / 10, reference=1) for s in range(1, 10)])
    assert (middle, doubt) == (0.5, pytest.approx(1.57 * 0.4 / 3 / 0.5))
    stray = [Sample(seconds=0.5, reference=1)] * 8 + [Sample(seconds=9, reference=1)]
    assert relative(stray) == (0.5, 0.0)


@pytest.mark.parametrize(("seconds", "batch"), [(0.01, 8), (0.1, 3), (2.0, 1)])
def test_a_batch_fits_its_turn(seconds: float, batch: int) -> None:
    assert batch_for(seconds, slice_s=0.34, batch_max=8) == batch


class Stopwatch:
    """A probe whose frames take a set time per pixel; notes who worked."""

    def __init__(self, name: str, seconds: float, worked: list[str]) -> None:
        self._name, self._seconds, self._worked = name, seconds, worked
        self.ready = Ready(engine="none", task="detect")

    def work(self, asked: Slice) -> float:
        """Return the set time."""
        self._worked.append(self._name)
        return self._seconds * asked.height * asked.width / 640**2


def measured(sizes: tuple[tuple[int, int], ...]) -> tuple[list[Cost], list[str], list[str]]:
    """Return the costs of two models, who worked in order, and what was told."""
    worked: list[str] = []
    told: list[str] = []
    subjects = {
        name: Subject(
            name=name, source="f.pt", size_class=name[-1], task="detect", random_weights=True
        )
        for name in ("yolov8n", "yolov8s")
    }
    probes = {
        name: Stopwatch(name, seconds, worked)
        for name, seconds in (("yolov8n", 0.02), ("yolov8s", 0.05))
    }
    schedule = Schedule(sizes=sizes, seconds=3.0, batch_max=8)
    return measure(subjects, probes, schedule, told.append), worked, told  # type: ignore[arg-type]


def test_models_take_turns_and_are_set_beside_the_reference() -> None:
    costs, worked, told = measured(((320, 320), (640, 640)))
    assert [(c.model, c.height, round(c.relative, 9)) for c in costs] == [
        ("yolov8n", 320, 0.1),
        ("yolov8n", 640, 0.4),
        ("yolov8s", 320, 0.25),
        ("yolov8s", 640, 1.0),
    ]
    assert [c.batch for c in costs] == [8, 8, 8, 6]
    assert len(told) == turns_of(2, 2)
    rounds = worked[10:]  # after two warm-ups of each cell and of the reference
    assert sum(before != after for before, after in pairwise(rounds)) >= 17
