"""What a killed broker forgot: transactions that ended in some of their partitions only.

A broker without replicas that is killed between two markers of a commit may skip the others when
it comes back (docs/guarantees.md): no client can tell, and none can mend it. Read from its files.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from aiokafka.record.memory_records import MemoryRecords

COMMIT = 1
Producer = tuple[int, int]
"""A transactional producer's id and epoch."""


def torn_commits(data: Path, prefix: str) -> list[Producer]:
    """Return the fenced producers with more commits in one of their partitions than in another.

    A lane writes detections, usage and its offset in each transaction; `prefix` is its topics'.
    One that is not fenced yet may be between two markers.
    """
    counts = [
        _commits(data.glob(pattern))
        for pattern in (f"{prefix}detections-*", f"{prefix}usage-*", "__consumer_offsets-*")
    ]
    ours = {*counts[0], *counts[1]}
    newest = dict(sorted(ours))
    return [
        producer
        for producer in sorted(ours)
        if producer[1] < newest[producer[0]] and len({count[producer] for count in counts}) > 1
    ]


def _commits(folders: Iterable[Path]) -> Counter[Producer]:
    """Count the commits of each producer that ended anything in these partitions."""
    found: Counter[Producer] = Counter()
    for folder in folders:
        for producer, kind in _markers(folder):
            found[producer] += kind == COMMIT
    return found


def _markers(folder: Path) -> Iterator[tuple[Producer, int]]:
    for segment in folder.glob("*.log"):
        records = MemoryRecords(segment.read_bytes().rstrip(b"\0"))
        while records.has_next():
            batch = records.next_batch()
            if batch.is_control_batch:
                for record in batch:
                    kind = int.from_bytes(record.key[2:4])
                    yield (batch.producer_id, batch.producer_epoch), kind
