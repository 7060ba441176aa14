"""Reads an exported archive: its events for a recount, its transfers for the hash chain.

Files are read in the order of their days, a group of rows at a time. What it proves: a row that
was changed, left out or slipped in is named; so is a ledger whose own chain was written anew since.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from billing import parquet
from billing.chain import GENESIS, link
from billing.queries import sql
from billing.recount import Counted
from billing.sealer import transfer_of
from wire.errors import Rejected
from wire.usage import Status

EVENT_COLUMNS = (
    "partition",
    "offset",
    "account",
    "stream",
    "epoch",
    "model",
    "height",
    "width",
    "first",
    "last",
    "status",
)
NUMBERS = ("epoch", "height", "width", "first", "last")


@dataclass(slots=True, kw_only=True)
class ArchivedChain:
    """What the archived transfers say: how many hold, the first fault, each file's last hash."""

    verified: int = 0
    faults: list[str] = field(default_factory=list)
    heads: dict[int, bytes] = field(default_factory=dict)
    gaps: int = 0


class Archive:
    """The files below a folder, of everyone or of one account."""

    def __init__(self, folder: Path, *, account: str | None = None) -> None:
        """Find the files; raise `Rejected` where there are none, or none for this question."""
        own = folder / f"account={account}"
        self._folder = own if account and own.is_dir() else folder
        self._usage = self._files("usage")
        self._transfers = self._files("transfer")
        if not self._usage and not self._transfers:
            raise Rejected(f"{folder} has no files of `framemeter export` in usage/ or transfer/")
        for path in (*self._usage, *self._transfers):
            whose = parquet.metadata_of(path).get("account")
            if whose not in (None, account):
                raise Rejected(f"{path} holds account {whose} alone: add --account {whose}")
            self._is_partial = whose is not None

    def _files(self, kind: str) -> list[Path]:
        return sorted((self._folder / kind).glob("????-??-??.parquet"))

    def check_topic(self, topic: str) -> None:
        """Raise `Rejected` when the events are of another topic."""
        for path in self._usage:
            theirs = parquet.metadata_of(path)["topic"]
            if theirs != topic:
                raise Rejected(f"{path} is of topic {theirs}, not {topic}")

    def events(self) -> Iterator[Counted | None]:
        """Return the events in the order of the topic; None for what was no usage event."""
        for path in self._usage:
            for row in parquet.rows_of(path, EVENT_COLUMNS):
                yield _event(row, path)

    def reaches(self) -> tuple[Mapping[int, int], bool]:
        """Return the offset behind the last event by partition, and whether nothing is missing."""
        reached: dict[int, int] = {}
        is_whole = bool(self._usage)
        for path in self._usage:
            for name, (start, end) in parquet.metadata_of(path)["partitions"].items():
                is_whole &= start <= reached.get(int(name), 0)
                reached[int(name)] = max(end, reached.get(int(name), 0))
        return reached, is_whole

    def verify(self) -> ArchivedChain:
        """Compute every hash again, and see that each follows on the one before it."""
        found = ArchivedChain()
        position, last_hash = 0, GENESIS
        for path in self._transfers:
            about = parquet.metadata_of(path)
            start, end = about["positions"]
            found.gaps += start > position + 1 and position > 0
            expected = _Expected(start, end, about["missing"], is_partial=self._is_partial)
            for row in parquet.rows_of(path):
                expected.judge(row, path, found)
                if row["position"] == position + 1 and row["previous"] != last_hash:
                    found.faults.append(f"transfer {row['id']} in {path} does not follow on")
                position, last_hash = row["position"], row["hash"]
            expected.finish(path, found)
            if position:
                found.heads[position] = last_hash
        return found


class _Expected:
    """The places of the chain that a file must hold, one after the other."""

    def __init__(self, start: int, end: int, missing: Sequence[int], *, is_partial: bool) -> None:
        self._next = start
        self._end = end
        self._missing = frozenset(missing)
        self._is_partial = is_partial

    def judge(self, row: Mapping[str, Any], path: Path, found: ArchivedChain) -> None:
        """Judge a row by itself and by its place."""
        position = row["position"]
        self._skip_to(position, path, found)
        if not self._next <= position < self._end:
            found.faults.append(f"transfer {row['id']} in {path} is out of place ({position})")
        elif link(row["previous"], transfer_of(row)) != row["hash"]:
            found.faults.append(f"transfer {row['id']} in {path} is not what was sealed")
        else:
            found.verified += 1
        self._next = max(self._next, position + 1)

    def finish(self, path: Path, found: ArchivedChain) -> None:
        """See that nothing is missing at the end."""
        self._skip_to(self._end, path, found)

    def _skip_to(self, position: int, path: Path, found: ArchivedChain) -> None:
        lost = (each for each in range(self._next, position) if each not in self._missing)
        first = None if self._is_partial else next(lost, None)
        if first is not None:
            found.faults.append(f"place {first} of the chain is missing in {path}")
        self._next = max(self._next, position)


async def compare(connection: Any, found: ArchivedChain) -> None:
    """Add what differs between the archived chain and the ledger's, in the caller's snapshot."""
    if not found.heads:
        return
    head = await connection.fetchval(sql("archive.head"))
    rows = await connection.fetch(sql("archive.seals_at"), sorted(found.heads))
    ours = {row["position"]: row["hash"] for row in rows}
    for position, archived in found.heads.items():
        if position > head:
            found.faults.append(f"the ledger's chain ends at {head}, though {position} is archived")
        elif ours.get(position, archived) != archived:
            found.faults.append(f"the ledger's chain has another hash at place {position}")


def _event(row: Mapping[str, Any], path: Path) -> Counted | None:
    if row["account"] is None:
        return None
    if None in (row[name] for name in NUMBERS) or not 0 <= row["first"] <= row["last"]:
        raise Rejected(f"{path} holds frames that cannot be, at offset {row['offset']}")
    identity = (row["stream"], row["epoch"], row["account"], row["model"])
    return Counted(
        row["partition"],
        row["offset"],
        (*identity, row["height"], row["width"]),
        row["first"],
        row["last"],
        row["status"] == Status.DETECTED,
    )
