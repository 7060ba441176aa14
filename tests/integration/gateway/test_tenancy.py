"""What belongs to one account looks to another like what does not exist."""

import asyncio
from typing import Any

import pytest

from tests.integration.gateway.conftest import Place
from tests.integration.gateway.images import send, slug
from tests.unit.gateway.house import png

pytestmark = pytest.mark.integration

OPEN = {
    "account": "acme",
    "stream": "gate",
    "model": "yolov8s",
    "height": 640,
    "width": 640,
    "tier": "standard",
    "frames": 10,
}
RENEW = {"published": 1, "captured": 1, "frames": 10}
CLOSE = {"last_seq": 0, "captured": 1, "reason": "mine now"}


async def ask(place: Place, who: str, method: str, path: str, body: Any = None) -> tuple[int, str]:
    """Return the status and the text of an answer, without the names that were asked for."""
    async with place.client(who) as client:
        response = await client.request(method, path, json=body)
    text = response.text
    for name in ("gate", "nothing", "acme", "nobody"):
        text = text.replace(name, "<name>")
    return response.status_code, text


async def test_anothers_things_look_like_nothing(place: Place) -> None:
    async with place.replica():
        assert (await ask(place, "acme", "POST", "/v1/sessions", OPEN))[0] == 201
        await send(place)
        pairs = [
            ("POST", "/v1/sessions/{}/1/renew", ("gate", "nothing"), RENEW),
            ("POST", "/v1/sessions/{}/1/close", ("gate", "nothing"), CLOSE),
            ("GET", "/v1/account?account={}", ("acme", "nobody"), None),
            ("GET", "/v1/account/alerts?account={}", ("acme", "nobody"), None),
            ("GET", "/v1/ledger?account={}", ("acme", "nobody"), None),
            ("GET", "/v1/usage?account={}", ("acme", "nobody"), None),
        ]
        for method, path, (theirs, nobodys), body in pairs:
            seen = await ask(place, "poor", method, path.format(theirs), body)
            assert seen[0] == 404
            assert seen == await ask(place, "poor", method, path.format(nobodys), body)
        assert (await ask(place, "poor", "POST", "/v1/sessions", OPEN))[0] == 404
        renewed = await ask(place, "acme", "POST", "/v1/sessions/gate/1/renew", RENEW)
        assert renewed[0] == 200


async def test_a_revoked_key_is_nobodys(place: Place) -> None:
    async with place.replica():
        assert (await send(place)).status_code == 200
        await place.accounts.revoke_key(place.keys["acme"].split("_")[1])
        for _ in range(100):
            response = await send(place)
            if response.status_code == 401:
                break
            await asyncio.sleep(0.1)
        assert slug(response) == (401, "unauthenticated")


async def test_an_image_is_fetched_where_that_is_allowed_and_refused_where_not(
    place: Place,
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + png())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    body = {
        "image_url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x.png",
        "model": "yolov8s",
        "img_size": 320,
    }
    async with server, place.replica("r1", fetch_private=True), place.replica("r2"):
        async with place.client("acme", "r1") as client:
            found = await client.post("/yolo/detect", json=body)
        async with place.client("acme", "r2") as client:
            refused = await client.post("/yolo/detect", json=body)
    assert found.status_code == 200
    assert found.json()["usage"]["tokens"] == "0.250"
    assert slug(refused) == (422, "image-not-fetched")
