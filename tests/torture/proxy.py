"""A TCP proxy whose connections can be delayed, stalled, cut and half-closed while they are used.

It runs on a loop in a thread of its own, so that a busy harness does not slow what passes through.
Every entrance has one port and one or more ports behind it, used in turn.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from cli.local.ports import LOOPBACK

T = TypeVar("T")
CHUNK_BYTES = 64 * 1024
ANSWER_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0


@dataclass(eq=False, slots=True)
class _Side:
    """One end of a connection; what goes to it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    shut: bool = False

    def shut_down(self) -> None:
        """Tell this end that nothing more comes."""
        if not self.shut:
            self.shut = True
            with contextlib.suppress(OSError, RuntimeError):
                self.writer.write_eof()


@dataclass(eq=False, slots=True)
class _Entrance:
    behind: list[int]
    server: asyncio.Server | None = None
    delay_s: float = 0.0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    refusing: bool = False
    pairs: set[tuple[_Side, _Side]] = field(default_factory=set)
    turns: int = 0

    def heal(self) -> None:
        self.delay_s, self.refusing = 0.0, False
        self.open.set()

    def cut(self) -> int:
        for pair in self.pairs:
            for side in pair:
                side.writer.transport.abort()
        return len(self.pairs)

    def half_close(self, *, towards_client: bool) -> int:
        for client, server in self.pairs:
            (client if towards_client else server).shut_down()
        return len(self.pairs)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until both directions are over."""
        client = _Side(reader, writer)
        if self.refusing:
            writer.transport.abort()
            return
        server = await self._connected()
        if server is None:
            writer.transport.abort()
            return
        self.pairs.add((client, server))
        try:
            await asyncio.gather(self._pump(client, server), self._pump(server, client))
        finally:
            self.pairs.discard((client, server))
            client.writer.transport.abort()
            server.writer.transport.abort()

    async def _connected(self) -> _Side | None:
        """Connect to the next port behind, or to another one when that refuses."""
        for _ in range(len(self.behind)):
            self.turns += 1
            port = self.behind[self.turns % len(self.behind)]
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    return _Side(*await asyncio.open_connection(LOOPBACK, port))
        return None

    async def _pump(self, source: _Side, sink: _Side) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.reader.read(CHUNK_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self.open.wait()
                if not sink.shut:
                    sink.writer.write(chunk)
                    await sink.writer.drain()
        await self.open.wait()
        sink.shut_down()


class Proxy:
    """All entrances. Every method may be called from any thread and returns when it is done."""

    def __init__(self) -> None:
        self._entrances: dict[str, _Entrance] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()

    def open(self, name: str, port: int, behind: Iterable[int] = ()) -> None:
        """Listen on `port`."""
        asyncio.run_coroutine_threadsafe(self._open(name, port, list(behind)), self._loop).result(
            ANSWER_TIMEOUT_S
        )

    def route(self, name: str, behind: Iterable[int]) -> None:
        """Lead new connections to these ports."""
        ports = list(behind)

        def change(entrance: _Entrance) -> None:
            entrance.behind = ports

        self._do(name, change)

    def delay(self, name: str, seconds: float) -> None:
        """Hold every chunk back for a while."""

        def change(entrance: _Entrance) -> None:
            entrance.delay_s = seconds

        self._do(name, change)

    def stall(self, name: str) -> None:
        """Let nothing through, in either direction, with all connections open."""
        self._do(name, lambda entrance: entrance.open.clear())

    def cut(self, name: str, *, refuse: bool = False) -> int:
        """Reset all connections and return how many; with `refuse`, new ones too until healed."""

        def change(entrance: _Entrance) -> int:
            entrance.refusing = refuse
            return entrance.cut()

        return self._do(name, change)

    def half_close(self, name: str, *, towards_client: bool) -> int:
        """End one direction of all connections, leave the other open; return how many."""
        return self._do(name, lambda entrance: entrance.half_close(towards_client=towards_client))

    def heal(self, name: str) -> None:
        """End delay, stall and refusal."""
        self._do(name, _Entrance.heal)

    def stop(self) -> None:
        """Cut everything and end the thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(ANSWER_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_TIMEOUT_S)
        self._loop.close()

    def _do(self, name: str, work: Callable[[_Entrance], T]) -> T:
        async def here() -> T:
            return work(self._entrances[name])

        return asyncio.run_coroutine_threadsafe(here(), self._loop).result(ANSWER_TIMEOUT_S)

    async def _open(self, name: str, port: int, behind: list[int]) -> None:
        entrance = self._entrances[name] = _Entrance(behind)
        entrance.heal()
        entrance.server = await asyncio.start_server(entrance.take, LOOPBACK, port)

    async def _close(self) -> None:
        for entrance in self._entrances.values():
            entrance.heal()
            if entrance.server is not None:
                entrance.server.close()
            entrance.cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=ANSWER_TIMEOUT_S / 2)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # transports end in the loop's next round
