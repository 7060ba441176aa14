"""A gateway in memory for each test, started and stopped as uvicorn would."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.gateway.house import House, built


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Give a running house."""
    with built() as house:
        async with house.app.router.lifespan_context(house.app):
            yield house
