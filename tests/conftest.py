"""The stack that tests share, and names of their own for each test.

FRAMEMETER_TEST_STACK chooses: `local` (default), `containers`, or `external` for what
FRAMEMETER_KAFKA, _POSTGRES and _REDIS name. Where it cannot run, tests are skipped; in CI (the
variable CI is set) they fail.
"""

import itertools
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import hypothesis
import pytest
from redis import Redis

from tests.stack import kinds
from tests.stack.running import RunningStack, Unavailable

USED = pytest.StashKey[str]()
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")  # a busy machine is no failure
REDIS_NUMBERS = itertools.cycle(range(1, 16))


def pytest_report_header() -> str:
    """Say which stack was asked for."""
    return f"stack: {_chosen()} (FRAMEMETER_TEST_STACK)"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which stack was really used."""
    if used := config.stash.get(USED, None):
        terminalreporter.write_line(f"stack used: {used}")


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[RunningStack]:
    """Give the running Kafka, PostgreSQL and Valkey, shared by all tests of the session."""
    opening = _open(_chosen(), tmp_path_factory.mktemp("stack"))
    try:
        running = opening.__enter__()
    except Unavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"no stack: {error}", pytrace=False)
        pytest.skip(f"no stack: {error}")
    where = f"Kafka {running.kafka}, Valkey {running.redis}"
    pytestconfig.stash[USED] = f"{running.kind}: {where}"
    try:
        yield running
    finally:
        opening.__exit__(None, None, None)


@pytest.fixture
async def database(stack: RunningStack) -> AsyncIterator[str]:
    """Give the DSN of a new, empty database; it is dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(stack.postgres)
    try:
        await admin.execute(f"create database {name}")
        yield urlunsplit(urlsplit(stack.postgres)._replace(path=f"/{name}"))
    finally:
        if admin.is_closed():  # a test may have killed the server
            admin = await asyncpg.connect(stack.postgres)
        await admin.execute(f"drop database if exists {name} with (force)")
        await admin.close()


@pytest.fixture
def topic_prefix() -> str:
    """Give a prefix for this test's topics and groups."""
    return f"t{secrets.token_hex(4)}."


@pytest.fixture
def redis_url(stack: RunningStack) -> str:
    """Give the URL of an empty Valkey database; numbers come round after fifteen tests."""
    url = urlunsplit(urlsplit(stack.redis)._replace(path=f"/{next(REDIS_NUMBERS)}"))
    with Redis.from_url(url) as client:
        client.flushdb()
    return url


def _chosen() -> str:
    return os.environ.get("FRAMEMETER_TEST_STACK") or "local"


def _open(kind: str, folder: Path) -> AbstractContextManager[RunningStack]:
    match kind:
        case "local":
            return kinds.local(folder)
        case "containers":
            return kinds.containers()
        case "external":
            return kinds.external(os.environ)
    raise pytest.UsageError(f"FRAMEMETER_TEST_STACK={kind}: choose local, containers or external")
