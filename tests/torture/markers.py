"""What a killed broker forgot: commits that it told to some of their partitions only.

A broker without replicas that is killed between two markers of a commit skips the others when it
comes back. The lane's next owner tells the commit again (`wire.decided`), under a newer epoch; so
one that is named here and mended has left nothing behind. Read from the broker's files.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from aiokafka.record.memory_records import MemoryRecords

COMMIT = 1
OUTPUTS = ("detections", "usage")
Producer = tuple[int, int]
"""A transactional producer's id and epoch."""


def torn_commits(data: Path, prefix: str) -> list[dict[str, int]]:
    """Return the producers with more commits in one of their partitions than in another.

    A lane writes detections, usage and its offset in each transaction; `prefix` is its topics'.
    Each is told as its id, its epoch and the number of its commits by partition's topic.
    """
    patterns = {name: f"{prefix}{name}-*" for name in OUTPUTS} | {"offsets": "__consumer_offsets-*"}
    counts = {name: _commits(data.glob(pattern)) for name, pattern in patterns.items()}
    ours = {producer for name in OUTPUTS for producer in counts[name]}
    return [
        {"producer": producer[0], "epoch": producer[1]}
        | {name: count[producer] for name, count in counts.items()}
        for producer in sorted(ours)
        if len({count[producer] for count in counts.values()}) > 1
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
