"""The order in which models are measured: round after round, each model in every one of them.

In a round every model works once at every size, the reference right before it; each round begins
with another model. What else the machine does at some time then falls on all of them alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cli.calibration.costs import (
    REFERENCE_MODEL,
    REFERENCE_SIZE,
    ROUNDS,
    Cost,
    Sample,
    batch_for,
    relative,
)
from cli.calibration.probe import Probe, Slice
from cli.calibration.subjects import Subject

Cell = tuple[str, tuple[int, int]]
"""A model's name, and height and width in px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """At which sizes, how long each, and in which batches at most."""

    sizes: Sequence[tuple[int, int]]
    seconds: float
    batch_max: int

    @property
    def slice_s(self) -> float:
        """Return the length of one turn."""
        return self.seconds / ROUNDS


def measure(
    subjects: Mapping[str, Subject],
    probes: Mapping[str, Probe],
    schedule: Schedule,
    tell: Callable[[str], None],
) -> list[Cost]:
    """Return the cost of every model at every size; `tell` hears of each turn."""
    turns = _Turns(probes, schedule, tell)
    for name in probes:
        for size in schedule.sizes:
            turns.warm_up((name, size))
    reference = (REFERENCE_MODEL, REFERENCE_SIZE)
    turns.warm_up(reference)
    samples: dict[Cell, list[Sample]] = {
        (name, size): [] for name in subjects for size in schedule.sizes
    }
    names = list(subjects)
    for number in range(ROUNDS):
        begin = number % len(names)
        for name in names[begin:] + names[:begin]:
            beside = turns.take(reference)
            for size in schedule.sizes:
                taken = turns.take((name, size))
                samples[name, size].append(Sample(seconds=taken, reference=beside))
    return [
        _cost(subjects[name], probes[name].ready.task, size, turns.batches[name, size], found)
        for (name, size), found in samples.items()
    ]


def turns_of(subjects: int, sizes: int) -> int:
    """Return of how many turns `measure` tells."""
    return subjects * ROUNDS * (sizes + 1) + subjects * sizes + 1


class _Turns:
    """Who works when; remembers the batch that suits each model and size."""

    def __init__(
        self, probes: Mapping[str, Probe], schedule: Schedule, tell: Callable[[str], None]
    ) -> None:
        self._probes = probes
        self._schedule = schedule
        self._tell = tell
        self.batches: dict[Cell, int] = {}

    def warm_up(self, cell: Cell) -> None:
        """Let a model compile for a size, and find its batch."""
        self._work(cell, batch=1, seconds=0.0)
        seconds = self._work(cell, batch=1, seconds=0.0)
        self._tell(f"{cell[0]} {cell[1][0]}x{cell[1][1]}")
        self.batches[cell] = batch_for(
            seconds, slice_s=self._schedule.slice_s, batch_max=self._schedule.batch_max
        )

    def take(self, cell: Cell) -> float:
        """Return the seconds a frame of one turn."""
        self._tell(f"{cell[0]} {cell[1][0]}x{cell[1][1]}")
        return self._work(cell, batch=self.batches[cell], seconds=self._schedule.slice_s)

    def _work(self, cell: Cell, *, batch: int, seconds: float) -> float:
        name, (height, width) = cell
        asked = Slice(height=height, width=width, batch=batch, seconds=seconds)
        return self._probes[name].work(asked)


def _cost(
    subject: Subject, task: str, size: tuple[int, int], batch: int, samples: Sequence[Sample]
) -> Cost:
    middle, doubt = relative(samples)
    is_reference = subject.name == REFERENCE_MODEL and size == REFERENCE_SIZE
    by_time = sorted(each.seconds for each in samples)
    return Cost(
        model=subject.name,
        size_class=subject.size_class,
        task=task,
        height=size[0],
        width=size[1],
        batch=batch,
        seconds=by_time[len(by_time) // 2],
        relative=1.0 if is_reference else middle,
        doubt=doubt,
        random_weights=subject.random_weights,
    )
