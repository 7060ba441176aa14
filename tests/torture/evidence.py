"""What is kept of a broken run, to be read when its servers are gone: topics and tables as text.

And what only the broker's own files say: which commits it told to some of their partitions alone.
"""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import msgspec

from tests.torture import records
from tests.torture.markers import torn_commits
from tests.torture.observations import Observations
from tests.torture.records import Record

TOPICS = ("frames.standard", "frames.priority", "detections", "usage", "deadletter")
TABLES = (
    "account",
    "balance",
    "consumer_position",
    "outbox",
    "session",
    "stream",
    "transfer",
    "unbillable",
    "usage_hour",
    "usage_minute",
)


async def keep(observations: Observations, data: Path, folder: Path) -> None:
    """Write every topic as JSON lines and every table as CSV into `folder`.

    `data` is where the broker keeps its partitions.
    """
    await asyncio.to_thread(_keep_topics, observations, folder)
    torn = await asyncio.to_thread(torn_commits, data, observations.prefix)
    (folder / "torn_commits.json").write_bytes(msgspec.json.encode(torn))
    connection = await asyncpg.connect(observations.postgres)
    try:
        for table in TABLES:
            await connection.copy_from_query(
                f"select * from {table}", output=folder / f"{table}.csv", format="csv", header=True
            )
    finally:
        await connection.close()


def _keep_topics(observations: Observations, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for topic in TOPICS:
        lines = _lines(observations.kafka, observations.prefix + topic)
        (folder / f"{topic}.jsonl").write_bytes(b"\n".join(lines))


def _lines(bootstrap: str, topic: str) -> list[bytes]:
    return [msgspec.json.encode(dict(_parts(it))) for it in records.read_all(bootstrap, topic)]


def _parts(record: Record) -> Iterator[tuple[str, object]]:
    yield "partition", record.partition
    yield "offset", record.offset
    yield "written_ms", record.written_ms
    if record.header("ce_id"):
        yield "headers", {name: value.decode(errors="replace") for name, value in record.headers}
        return
    try:
        yield "value", msgspec.json.decode(record.value)
    except msgspec.DecodeError:
        yield "base64", base64.b64encode(record.value).decode()
