"""The proxy's faults, seen from both ends of a connection."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from cli.local.ports import LOOPBACK, free_port
from tests.torture.proxy import Proxy

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SOON_S = 5.0
NOTHING_S = 0.2


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Give a proxy, ended afterwards."""
    made = Proxy()
    yield made
    made.stop()


class Server:
    """Hands out the server's ends of connections."""

    def __init__(self) -> None:
        self.ends: asyncio.Queue[Ends] = asyncio.Queue()
        self.port = free_port()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep a connection for the test."""
        self.ends.put_nowait((reader, writer))


@pytest.fixture
async def servers() -> AsyncIterator[tuple[Server, Server]]:
    """Give two servers that listen."""
    made = Server(), Server()
    listening = [await asyncio.start_server(it.take, LOOPBACK, it.port) for it in made]
    yield made
    for server, it in zip(listening, made, strict=True):
        server.close()
        while not it.ends.empty():
            it.ends.get_nowait()[1].close()
    await asyncio.sleep(0)  # so that what was closed is gone


async def connected(proxy: Proxy, server: Server) -> tuple[Ends, Ends]:
    """Return the client's and the server's end of a connection through a new entrance."""
    port = free_port()
    await asyncio.to_thread(proxy.open, "it", port, [server.port])
    client = await asyncio.open_connection(LOOPBACK, port)
    end = await asyncio.wait_for(server.ends.get(), SOON_S)
    client[1].write(b"?")
    assert await read(end, 1) == b"?"  # only now does the proxy carry both directions for certain
    return client, end


async def read(end: Ends, count: int) -> bytes:
    """Read exactly so many bytes, soon."""
    return await asyncio.wait_for(end[0].readexactly(count), SOON_S)


async def is_over(end: Ends) -> bool:
    """Say whether nothing more comes; waits for that."""
    try:
        return await asyncio.wait_for(end[0].read(1), SOON_S) == b""
    except OSError:
        return True


async def test_both_directions_pass_and_an_end_is_passed_on(
    proxy: Proxy, servers: tuple[Server, Server]
) -> None:
    client, server = await connected(proxy, servers[0])
    client[1].write(b"ask")
    assert await read(server, 3) == b"ask"
    client[1].write_eof()
    assert await is_over(server)
    server[1].write(b"answer")
    assert await read(client, 6) == b"answer"
    server[1].close()
    assert await is_over(client)
    client[1].close()


async def test_a_stall_holds_everything_back_until_it_is_healed(
    proxy: Proxy, servers: tuple[Server, Server]
) -> None:
    client, server = await connected(proxy, servers[0])
    proxy.stall("it")
    client[1].write(b"ask")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(server[0].read(1), NOTHING_S)
    proxy.heal("it")
    assert await read(server, 3) == b"ask"
    client[1].close()
    server[1].close()


async def test_a_delay_is_felt_in_each_direction(
    proxy: Proxy, servers: tuple[Server, Server]
) -> None:
    client, server = await connected(proxy, servers[0])
    proxy.delay("it", NOTHING_S)
    began = asyncio.get_running_loop().time()
    client[1].write(b"ask")
    await read(server, 3)
    server[1].write(b"answer")
    await read(client, 6)
    assert asyncio.get_running_loop().time() - began >= 2 * NOTHING_S
    client[1].close()
    server[1].close()


async def test_a_cut_ends_both_sides_and_refuses_until_healed(
    proxy: Proxy, servers: tuple[Server, Server]
) -> None:
    client, server = await connected(proxy, servers[0])
    assert proxy.cut("it", refuse=True) == 1
    assert await is_over(client) and await is_over(server)
    port = client[1].get_extra_info("peername")[1]
    refused = await asyncio.open_connection(LOOPBACK, port)
    assert await is_over(refused)
    proxy.heal("it")
    again = await asyncio.open_connection(LOOPBACK, port)
    served = await asyncio.wait_for(servers[0].ends.get(), SOON_S)
    again[1].write(b"ask")
    assert await read(served, 3) == b"ask"
    for end in (client, server, refused, again, served):
        end[1].close()


@pytest.mark.parametrize("towards_client", [True, False])
async def test_a_half_close_ends_one_direction_and_leaves_the_other(
    proxy: Proxy, servers: tuple[Server, Server], towards_client: bool
) -> None:
    client, server = await connected(proxy, servers[0])
    assert proxy.half_close("it", towards_client=towards_client) == 1
    deaf, hearing = (client, server) if towards_client else (server, client)
    assert await is_over(deaf)
    deaf[1].write(b"still")
    assert await read(hearing, 5) == b"still"
    hearing[1].write(b"lost")
    deaf[1].close()
    hearing[1].close()


async def test_what_is_behind_takes_turns_and_who_is_away_is_passed_over(
    proxy: Proxy, servers: tuple[Server, Server]
) -> None:
    port = free_port()
    proxy.open("it", port, [it.port for it in servers])
    clients = [await asyncio.open_connection(LOOPBACK, port) for _ in range(4)]
    for server in servers:
        for _ in range(2):
            (await asyncio.wait_for(server.ends.get(), SOON_S))[1].close()
    proxy.route("it", [free_port(), servers[0].port])
    clients += [await asyncio.open_connection(LOOPBACK, port) for _ in range(2)]
    for _ in range(2):
        (await asyncio.wait_for(servers[0].ends.get(), SOON_S))[1].close()
    for client in clients:
        client[1].close()
