"""When each frame of an offered load is due: cameras with steady periods, not in step. Pure."""

import heapq
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

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
    return cameras(dict.fromkeys(streams, rate / len(streams)), seconds=seconds)


def cameras(rates: Mapping[str, float], *, seconds: float) -> Iterator[Due]:
    """Yield what is due in order, each stream at its own rate (frames a second)."""
    assert min(rates.values()) > 0
    phases = random.Random(PHASE_SEED)
    return heapq.merge(
        *(
            _camera(stream, phases.random() / rate, 1 / rate, seconds)
            for stream, rate in rates.items()
        )
    )


def _camera(stream: str, phase_s: float, period_s: float, seconds: float) -> Iterator[Due]:
    count = 0
    while (at_s := phase_s + count * period_s) < seconds:
        yield Due(at_s=at_s, stream=stream)
        count += 1


def stalled(dues: Iterable[Due], stream: str, *, every_s: float, for_s: float) -> list[Due]:
    """Return the dues as they are when `stream` stands still for a while, again and again.

    At the end of each period of `every_s` nothing comes for `for_s`; then all of it comes at once,
    as from a camera behind a bad network.
    """
    assert 0 < for_s < every_s
    return sorted(
        replace(due, at_s=_resumed(due.at_s, every_s, for_s)) if due.stream == stream else due
        for due in dues
    )


def _resumed(at_s: float, every_s: float, for_s: float) -> float:
    periods, into_s = divmod(at_s, every_s)
    return at_s if into_s < every_s - for_s else (periods + 1) * every_s
