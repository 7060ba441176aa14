"""All rules, applied: reading first, then every rule over what was read."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from tests.torture.checker import answers, charges, frames, money, news, order, seals, sessions
from tests.torture.checker.evidence import Evidence, gather
from tests.torture.checker.verdict import Verdict, violations_of
from tests.torture.observations import Observations

Rule = Callable[[Evidence], Iterator[str]]

RULES: Mapping[str, Rule] = {
    **frames.RULES,
    **order.RULES,
    **sessions.RULES,
    **charges.RULES,
    **money.RULES,
    **news.RULES,
    **answers.RULES,
    **seals.RULES,
}
"""Every rule by its name; the function's docstring says what it demands."""


def check(observations: Observations) -> Verdict:
    """Read everything and judge it; blocks, also where an event loop runs."""
    with ThreadPoolExecutor(1) as reader:
        return judge(reader.submit(gather, observations).result())


def judge(evidence: Evidence) -> Verdict:
    """Apply every rule."""
    return Verdict(
        violations=tuple(
            violation
            for name, rule in RULES.items()
            for violation in violations_of(name, rule(evidence))
        ),
        figures=figures(evidence),
    )


def figures(it: Evidence) -> dict[str, int]:
    """Return how much was looked at."""
    statuses = Counter(event.status for event in it.billed.values())
    kinds = Counter(row["kind"] for row in it.ledger.transfers)
    states = Counter(row["state"] for row in it.ledger.sessions)
    return {
        "frames": len(it.published),
        "frame copies": len(it.frames) - len(it.published),
        "frames replayed": len(it.replayed),
        "detections": len(it.detections),
        "usage events": len(it.usage),
        "usage events reproduced": len(it.usage) - len(it.original_usage),
        "charged millitokens": sum(
            row["amount"] for row in it.ledger.transfers if row["kind"] == "charge"
        ),
        "seals": len(it.ledger.seals),
        "accounts": len(it.ledger.balances),
        "answers": len(it.seen.answers),
        **{f"frames {status}": count for status, count in sorted(statuses.items())},
        **{f"sessions {state}": count for state, count in sorted(states.items())},
        **{f"transfers {kind}": count for kind, count in sorted(kinds.items())},
    }
