"""Producers open, renew and close sessions of their own account's streams."""

from typing import Any

import msgspec
import pytest

from tests.unit.gateway.house import House
from wire.sessions import Grant

OPEN = {
    "account": "a",
    "stream": "gate",
    "model": "yolov8s",
    "height": 640,
    "width": 640,
    "tier": "standard",
    "frames": 10,
}
RENEW = {"published": 10, "captured": 12, "frames": 5}
CLOSE = {"last_seq": 9, "captured": 12, "reason": "removed"}


async def post(house: House, path: str, body: Any, key: str = "key-a") -> tuple[int, Any]:
    """Return the status and the body of an answer."""
    async with house.client(key) as client:
        response = await client.post(f"/v1/sessions{path}", json=body)
    return response.status_code, response.json() if response.content else None


async def test_a_session_is_opened_renewed_and_closed(house: House) -> None:
    status, body = await post(house, "", OPEN)
    grant = msgspec.convert(body, Grant)
    assert (status, grant.epoch, grant.granted_frames, grant.final) == (201, 1, 10, False)
    assert grant.expires_at.tzinfo is not None
    status, body = await post(house, "/gate/1/renew", RENEW)
    assert (status, body["granted_frames"]) == (200, 15)
    assert await post(house, "/gate/1/close", CLOSE) == (204, None)
    assert await post(house, "/gate/1/close", CLOSE) == (204, None)
    status, body = await post(house, "/gate/1/renew", RENEW)
    assert (status, body["type"]) == (409, "urn:framemeter:problem:session-over")


async def test_another_accounts_session_looks_like_none(house: House) -> None:
    await post(house, "", OPEN)
    for path, body in (("renew", RENEW), ("close", CLOSE)):
        theirs = await post(house, f"/gate/1/{path}", body, "key-b")
        nobodys = await post(house, f"/nothing/1/{path}", body, "key-b")
        assert theirs == nobodys
        assert theirs[0] == 404
    status, body = await post(house, "", OPEN, "key-b")
    missing, nobody = await post(house, "", OPEN | {"account": "zz"}, "key-b")
    assert (status, missing) == (404, 404)
    assert body["detail"].replace("'a'", "") == nobody["detail"].replace("'zz'", "")


async def test_an_operator_acts_for_anyone(house: House) -> None:
    assert (await post(house, "", OPEN, "key-operator"))[0] == 201
    assert (await post(house, "/gate/1/renew", RENEW, "key-operator"))[0] == 200


async def test_a_batch_price_is_not_for_whoever_asks_for_it(house: House) -> None:
    status, body = await post(house, "", OPEN | {"batch_images": 8})
    assert (status, body["type"]) == (403, "urn:framemeter:problem:not-allowed")
    assert (await post(house, "", OPEN | {"batch_images": 8}, "key-operator"))[0] == 201
    assert (await post(house, "", OPEN | {"batch_images": 0}))[0] == 422


async def test_what_cannot_be_paid_is_402(house: House) -> None:
    status, body = await post(house, "", OPEN | {"account": "poor"}, "key-poor")
    assert (status, body["type"]) == (402, "urn:framemeter:problem:insufficient-tokens")


@pytest.mark.parametrize(
    "change",
    [
        {"stream": "api.a.r1.0"},
        {"stream": "A b"},
        {"height": 650},
        {"frames": 0},
        {"frames": 10**9},
        {"tier": "gold"},
        {"frames": "many"},
        {"model": None},
    ],
)
async def test_a_session_that_cannot_be_is_422(house: House, change: dict[str, Any]) -> None:
    status, body = await post(house, "", OPEN | change)
    assert status == 422
    assert body["detail"]


async def test_the_streams_of_gateways_are_not_touched_over_http(house: House) -> None:
    for path, body in (("renew", RENEW), ("close", CLOSE)):
        assert (await post(house, f"/api.a.r1.0/1/{path}", body))[0] == 422


async def test_a_body_is_bounded(house: House) -> None:
    status, _ = await post(house, "", OPEN | {"stream": "x" * 100_000})
    assert status == 413
