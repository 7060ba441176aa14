"""The ground that a job stands on: Kafka, PostgreSQL and Valkey of its own, and the proxy before.

One site serves many runs, one after the other; each run gets a database, a topic prefix and a
Valkey number of its own, and leaves nothing behind.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from confluent_kafka.admin import AdminClient

from cli.local.ports import LOOPBACK, free_port
from cli.local.stack import LocalStack
from cli.local.state import read_ports
from tests.torture.proxy import Proxy
from tests.torture.records import QUIET
from tests.torture.schedule import LINKS

T = TypeVar("T")
THREADS = 8
ADMIN_TIMEOUT_S = 20.0
VALKEY_NUMBERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where one run's services are."""

    kafka: str
    postgres: str
    redis: str


class Site:
    """Starts in `start`; `close` ends and erases everything."""

    def __init__(self, folder: Path) -> None:
        self.ports = self._free_ports()
        self.proxy = Proxy()
        self.stack = LocalStack(folder, die_with_parent=True, kafka_proxy_port=self.ports["kafka"])
        # Servers end with the thread that started them: these live as long as the site.
        self._threads = ThreadPoolExecutor(THREADS, "site")
        self._folder = folder

    @staticmethod
    def _free_ports() -> dict[str, int]:
        ports: dict[str, int] = {}
        for link in LINKS:
            ports[link] = free_port(ports.values())
        return ports

    async def start(self) -> None:
        """Start the servers and open the proxy before them."""
        self._own = await self.do(self.stack.start)
        ports = read_ports(self._folder.absolute())
        behind = {
            "kafka": [ports["kafka_behind_proxy"]],
            "postgres": [ports["postgres"]],
            "redis": [ports["redis"]],
            "gateway": [],
        }
        for link, there in behind.items():
            self.proxy.open(link, self.ports[link], there)

    async def do(self, work: Callable[[], T]) -> T:
        """Run something that blocks, in a thread that lives as long as the site."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    @property
    def kafka_data(self) -> Path:
        """Where the broker keeps its partitions."""
        return self.stack.folder / "kafka" / "data"

    def direct(self, name: str, number: int) -> Addresses:
        """Return the addresses past the proxy, for a run of this name and Valkey number."""
        return Addresses(
            kafka=self._own.kafka,
            postgres=urlunsplit(urlsplit(self._own.postgres)._replace(path=f"/{name}")),
            redis=urlunsplit(urlsplit(self._own.redis)._replace(path=f"/{number}")),
        )

    def proxied(self, direct: Addresses) -> Addresses:
        """Return the same addresses, through the proxy."""
        return Addresses(
            kafka=f"{LOOPBACK}:{self.ports['kafka']}",
            postgres=_at_port(direct.postgres, self.ports["postgres"]),
            redis=_at_port(direct.redis, self.ports["redis"]),
        )

    async def make_database(self, name: str) -> None:
        """Make an empty database, in place of an older one of this name."""
        await self.drop_database(name)
        await self._administer(f'create database "{name}"')

    async def drop_database(self, name: str) -> None:
        """Remove a database with all connections to it."""
        await self._administer(f'drop database if exists "{name}" with (force)')

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self._own.postgres)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def drop_topics(self, prefix: str) -> None:
        """Remove the topics of a run, so that the broker does not grow from run to run."""

        def drop() -> None:
            admin = AdminClient({"bootstrap.servers": self._own.kafka, "log_level": QUIET})
            topics = admin.list_topics(timeout=ADMIN_TIMEOUT_S).topics
            mine = [name for name in topics if name.startswith(prefix)]
            for answer in admin.delete_topics(mine).values() if mine else ():
                answer.result(ADMIN_TIMEOUT_S)

        await self.do(drop)

    def heal(self) -> None:
        """End all faults of the proxy."""
        for link in LINKS:
            self.proxy.heal(link)

    async def restore(self) -> None:
        """Make everything run and answer again, after a run that was broken off."""
        self.heal()
        await self.do(self.stack.start)

    async def close(self) -> None:
        """End everything."""
        self.proxy.stop()
        await self.do(self.stack.erase)
        self._threads.shutdown()


def _at_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{host}:{port}"))
