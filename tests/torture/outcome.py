"""What is kept of a run: one line of JSON each, and the sums of many."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must not be."""

    rule: str
    detail: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `figures` are the checker's, `answers` HTTP answers by status."""

    seed: int
    seconds: float
    violations: tuple[Found, ...]
    figures: dict[str, int]
    faults: dict[str, int]
    answers: dict[str, int]
    deaths: dict[str, int]
    begin_s: float
    drain_s: float
    wall_s: float
    folder: str = ""

    @property
    def ok(self) -> bool:
        """Say whether all that was promised held."""
        return not self.violations


def append(path: Path, outcome: Outcome) -> None:
    """Write one more line to the results."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(outcome) + b"\n")


def totals(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the sums by name, in the order of the names."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(sorted(total.items()))
