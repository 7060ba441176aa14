"""A webhook's receiver on a real socket: answers as told, and keeps what it was sent."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Post:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_signed_with(self, shown: str) -> bool:
        """Check the signature by the words of Standard Webhooks, not by our code."""
        key = base64.b64decode(shown.removeprefix("whsec_"))
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        version, _, given = self.headers["webhook-signature"].partition(",")
        return version == "v1" and hmac.compare_digest(expected, given)


@dataclass(kw_only=True)
class Receiver:
    """`answers` are given in turn, then 200; None: the request is taken and never answered.

    With a `barrier`, nobody is answered before as many have asked.
    """

    url: str = ""
    answers: list[int | None] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    barrier: asyncio.Barrier | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.posts.append(await _read(reader))
            self.came.set()
            if self.barrier is not None:
                await self.barrier.wait()
            answer = self.answers.pop(0) if self.answers else 200
            if answer is None:
                await reader.read()  # until the sender is gone
                return
            location = "Location: /elsewhere\r\n" if 300 <= answer < 400 else ""
            writer.write(f"HTTP/1.1 {answer} So\r\n{location}Content-Length: 0\r\n\r\n".encode())
            await writer.drain()
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Post:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    assert head[0].startswith("POST ")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    return Post(headers=headers, body=await reader.readexactly(int(headers["content-length"])))


@contextlib.asynccontextmanager
async def receiving(*answers: int | None) -> AsyncIterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver(answers=list(answers))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    async with server:
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/alerts"
        yield receiver
