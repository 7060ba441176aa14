"""Many schedules, over several processes: what was exercised, what was found, how fast."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count, islice

from tests.simulation.planted import BUGS, Planted, planted
from tests.simulation.schedule import simulate, simulated

CHUNK = 500
FAILURES_MAX = 10
"""A run ends early when so many schedules have failed."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What some schedules came to; a failure is a seed and what broke."""

    schedules: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Take in what others came to."""
        self.schedules += other.schedules
        self.counts += other.counts
        self.failures += other.failures


def run(first: int, schedules: int) -> Outcome:
    """Run the schedules of the seeds from `first` on; a bug of any kind is a failure."""
    outcome = Outcome()
    with simulated():
        for seed in range(first, first + schedules):
            failure = failure_of(seed, outcome.counts)
            outcome.schedules += 1
            if failure is not None:
                outcome.failures.append((seed, failure))
    return outcome


def failure_of(seed: int, counts: Counter[str]) -> str | None:
    """Run one schedule within `simulated`; return what broke, if anything."""
    try:
        simulate(seed, counts)
    except Exception as error:  # noqa: BLE001  (whatever a wrong protocol raises is a find)
        return f"{type(error).__name__}: {error}"
    return None


def run_all(first: int, schedules: int, jobs: int, progress: Callable[[Outcome], None]) -> Outcome:
    """Run them on `jobs` cores; end early when many fail."""
    total = Outcome()
    chunks = _chunks(first, schedules)
    with ProcessPoolExecutor(jobs) as pool:
        running = {pool.submit(run, *chunk) for chunk in islice(chunks, jobs * 2)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                total.add(future.result())
                progress(total)
            if len(total.failures) < FAILURES_MAX:
                running |= {pool.submit(run, *chunk) for chunk in islice(chunks, len(done))}
    total.failures.sort()
    return total


def _chunks(first: int, schedules: int) -> Iterator[tuple[int, int]]:
    for start in range(first, first + schedules, CHUNK):
        yield start, min(CHUNK, first + schedules - start)


def needed(bug: Planted, first: int, schedules_max: int) -> tuple[int, str] | None:
    """Return how many schedules it took to find the bug, and what it broke; None: not found."""
    with simulated(), planted(bug):
        for tried, seed in zip(count(1), range(first, first + schedules_max), strict=False):
            failure = failure_of(seed, Counter())
            if failure is not None:
                return tried, failure
    return None


def bugs(named: str) -> list[Planted]:
    """Return the bugs whose name contains this."""
    return [bug for bug in BUGS if named in bug.name]
