"""Rules about what is told and where everyone stands: Valkey, `balances`, outbox, positions."""

from collections.abc import Iterator
from typing import Any

from tests.torture.checker.evidence import Evidence

AMOUNTS = ("version", "available", "held", "receivable")


def valkey(it: Evidence) -> Iterator[str]:
    """Valkey says what PostgreSQL says, version and all."""
    for row in it.ledger.balances:
        expected = {name: str(row[name]) for name in AMOUNTS}
        found = it.mirror.get(row["account"])
        if found != expected:
            yield f"{row['account']} is {expected} and Valkey says {found}"


def topic(it: Evidence) -> Iterator[str]:
    """The newest balance on the topic is the ledger's: no change was forgotten."""
    newest: dict[str, Any] = {}
    for news in it.news:
        before = newest.get(news.account)
        if before is None or news.version >= before.version:
            newest[news.account] = news
    for row in it.ledger.balances:
        last = newest.get(row["account"])
        told = last and {name: getattr(last, name) for name in AMOUNTS}
        expected = {name: row[name] for name in AMOUNTS}
        if told != expected:
            yield f"{row['account']} is {expected}; last told was {told}"


def outbox(it: Evidence) -> Iterator[str]:
    """Everything has been told."""
    for row in it.ledger.outbox:
        yield f"version {row['version']} of {row['account']} waits in the outbox"


def alerts(it: Evidence) -> Iterator[str]:
    """Every alert has been told."""
    for row in it.ledger.alerts:
        if row["published_at"] is None:
            yield f"{row['account']} fell below {row['threshold']} and nobody was told"


def biller(it: Evidence) -> Iterator[str]:
    """The ledger's position is the end of each partition of usage."""
    usage = it.topic("usage")
    at = {
        row["partition"]: row["next_offset"] for row in it.ledger.positions if row["topic"] == usage
    }
    for partition in range(it.seen.partitions):
        last = it.last_offsets.get((usage, partition), -1)
        high = it.bounds[usage, partition].high
        position = at.get(partition, 0)
        if not last < position <= high:
            yield f"usage[{partition}] ends with {last} (of {high}); the ledger is at {position}"


def groups(it: Evidence) -> Iterator[str]:
    """The billers' group is never ahead of the ledger: money first, then the offset.

    It may be ahead by control records, which end transactions and charge nobody.
    """
    for row in it.ledger.positions:
        place = row["topic"], row["partition"]
        committed = it.committed["biller"].get(place, 0)
        skipped_some = it.last_offsets.get(place, -1) >= row["next_offset"]
        if committed > (row["next_offset"] if skipped_some else it.bounds[place].high):
            yield (
                f"{row['topic']}[{row['partition']}] is committed up to {committed}, charged up to"
                f" {row['next_offset']}"
            )


def detectors(it: Evidence) -> Iterator[str]:
    """The detectors stand behind the last frame of every partition."""
    for name in it.frame_topics:
        for partition in range(it.seen.partitions):
            last = it.last_offsets.get((name, partition), -1)
            high = it.bounds[name, partition].high
            committed = it.committed["detector"].get((name, partition), 0)
            if not last < committed <= high and (last >= 0 or committed > high):
                yield f"{name}[{partition}] ends with {last}; detectors are at {committed}"


RULES = {
    "valkey.equals": valkey,
    "balances_topic.newest": topic,
    "outbox.empty": outbox,
    "alerts.told": alerts,
    "positions.biller": biller,
    "positions.group": groups,
    "positions.detector": detectors,
}
