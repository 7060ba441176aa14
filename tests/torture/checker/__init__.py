"""Demands of a drained world that everything adds up, sharing no code with what it checks.

`check(observations)` reads Kafka, PostgreSQL and Valkey with clients and SQL of its own and
returns a `Verdict`: every broken rule with its details, and how much was looked at.
"""

from tests.torture.checker.judge import check, judge
from tests.torture.checker.verdict import Verdict, Violation

__all__ = ["Verdict", "Violation", "check", "judge"]
