"""When each frame of an offered load is due: cameras with steady periods, not in step. Pure."""

import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PHASE_SEED = 7
"""Cameras begin at moments of chance, the same in every run."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Due:
    """A stream's next frame, so many seconds after the start."""

    at_s: float
    stream: str


def schedule(streams: Sequence[str], *, rate: float, seconds: float) -> Iterator[Due]:
    """Yield what is due in order: `rate` frames a second in all, each stream with its share."""
    assert rate > 0 and streams
    period_s = len(streams) / rate
    phases = random.Random(PHASE_SEED)
    return heapq.merge(
        *(_camera(stream, phases.random() * period_s, period_s, seconds) for stream in streams)
    )


def _camera(stream: str, phase_s: float, period_s: float, seconds: float) -> Iterator[Due]:
    count = 0
    while (at_s := phase_s + count * period_s) < seconds:
        yield Due(at_s=at_s, stream=stream)
        count += 1
