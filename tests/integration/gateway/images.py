"""Sending an image and looking at what it cost."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx

from tests.integration.gateway.conftest import Place
from tests.unit.gateway.house import png

WAIT_S = 30.0


async def send(
    place: Place, who: str = "acme", replica: str = "r1", **headers: str
) -> httpx.Response:
    """Send one image, with headers such as `Idempotency_Key`."""
    async with place.client(who, replica) as client:
        return await client.post(
            "/yolo/detect",
            data={"model": "yolov8s", "img_size": "640"},
            files={"image": ("x.png", png(), "image/png")},
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )


def slug(response: httpx.Response) -> tuple[int, str]:
    """Return a problem's status and slug."""
    return response.status_code, response.json()["type"].rpartition(":")[2]


async def amounts(place: Place, who: str = "acme") -> tuple[int, int]:
    """Return what is available and held, in tokens."""
    balance = await place.accounts.balance(who)
    return balance.available // 1_000, balance.held // 1_000


async def until(what: str, holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `holds()`."""
    async with asyncio.timeout(WAIT_S):
        while not await holds():  # noqa: ASYNC110  (what is waited for is in other processes)
            await asyncio.sleep(0.05)
    assert await holds(), what
