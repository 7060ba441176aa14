"""A floor for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.consumers.floor import PARTITIONS, SPEC, Floor
from tests.stack.running import RunningStack
from wire.kafka import Kafka
from wire.topics import Topics


@pytest.fixture
async def floor(stack: RunningStack, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Floor]:
    """Give topics with one model announced, and no detector yet."""
    made = Floor(
        kafka=Kafka(bootstrap=stack.kafka),
        topics=Topics(prefix=topic_prefix, partitions=PARTITIONS),
        folder=tmp_path,
    )
    await made.prepare(SPEC)
    yield made
    made.close()
