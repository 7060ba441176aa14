"""What the checker says: which rules were broken and how, and what it has counted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

DETAILS_MAX = 10
"""How many details of one rule are told; the rest is a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A rule that does not hold, and where."""

    rule: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`figures` say how much was looked at, so that an empty world does not pass for a good one."""

    violations: tuple[Violation, ...]
    figures: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """Say whether every rule holds."""
        return not self.violations

    @property
    def rules(self) -> tuple[str, ...]:
        """Return the rules that were broken, each once."""
        return tuple(dict.fromkeys(violation.rule for violation in self.violations))


def violations_of(rule: str, details: Iterable[str]) -> list[Violation]:
    """Return the first few violations of a rule, and how many more there are."""
    told = iter(details)
    found = [Violation(rule=rule, detail=detail) for detail in islice(told, DETAILS_MAX)]
    if more := sum(1 for _ in told):
        found.append(Violation(rule=rule, detail=f"and {more} more"))
    return found
