"""A system of its own for each acceptance test, gone afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.system import System, make_system
from tests.stack.running import RunningStack


@pytest.fixture
def system(
    stack: RunningStack, database: str, topic_prefix: str, redis_url: str, tmp_path: Path
) -> Iterator[System]:
    """Give a system with the fake engine (5 to 20 ms a batch)."""
    made = make_system(
        kafka=stack.kafka,
        postgres=database,
        redis=redis_url,
        prefix=topic_prefix,
        folder=tmp_path,
        engine="fake:5-20",
    )
    try:
        yield made
    finally:
        made.close()
