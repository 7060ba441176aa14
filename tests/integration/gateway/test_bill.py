"""With the real biller: what an answer said is what is charged, and what is told of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from billing.__main__ import serve
from billing.settings import BillingSettings
from tests.integration.gateway.conftest import SEGMENT_MODEL, Place
from tests.integration.gateway.images import amounts, send, slug, until
from tests.unit.gateway.house import png
from wire.usage import Status

pytestmark = pytest.mark.integration


@contextlib.asynccontextmanager
async def biller(place: Place) -> AsyncIterator[None]:
    """Run the biller beside."""
    names = ("kafka", "topic_prefix", "partitions", "postgres", "redis")
    settings = BillingSettings(**{name: getattr(place.settings, name) for name in names})
    stop = asyncio.Event()
    task = asyncio.create_task(serve(stop, settings))
    try:
        yield
    finally:
        stop.set()
        await task


async def test_only_what_was_detected_is_charged_and_nothing_stays_held(place: Place) -> None:
    async with biller(place):
        async with place.replica():
            told = [(await send(place)).json()["usage"]["tokens"] for _ in range(3)]
            place.standin.status = Status.FAILED
            assert slug(await send(place)) == (502, "inference-failed")
        assert told == ["1.000"] * 3

        async def settled() -> bool:
            return await amounts(place) == (97, 0)

        await until("three images are charged and the rest came back", settled)


async def test_the_tiles_of_another_task_cost_what_the_estimate_said(place: Place) -> None:
    asked = {"model": SEGMENT_MODEL.model, "img_size": "352", "slices": "2x3x0.25"}
    async with biller(place):
        async with place.replica(), place.client("acme") as client:
            estimate = (await client.get("/yolo/estimate", params=asked)).json()
            files = {"image": ("x.png", png(), "image/png")}
            answer = (await client.post("/yolo/detect", data=asked, files=files)).json()
        assert (estimate["task"], estimate["tiles"]) == ("segment", 6)
        assert estimate["millitokens"] == 6 * 454  # 453.75
        assert answer["usage"]["tokens"] == estimate["tokens"] == "2.724"

        async def settled() -> bool:
            balance = await place.accounts.balance("acme")
            return (balance.available, balance.held) == (100_000 - 6 * 454, 0)

        await until("the image is charged and the rest came back", settled)


async def test_the_reports_agree_with_the_answers(place: Place) -> None:
    async with biller(place), place.replica():
        for status in (Status.DETECTED, Status.DETECTED, Status.FAILED):
            place.standin.status = status
            await send(place)
        async with place.client("acme") as client:

            async def recorded() -> bool:
                usage = (await client.get("/v1/usage?group_by=status,model")).json()
                return sum(row["frames"] for row in usage["rows"]) == 3

            await until("three frames are recorded", recorded)
            rows = (await client.get("/v1/usage?group_by=status,model")).json()["rows"]
            ledger = (await client.get("/v1/ledger?limit=500")).json()["transfers"]
            table = (await client.get("/v1/usage?group_by=stream&format=csv")).text
        assert {row["status"]: (row["frames"], row["tokens"]) for row in rows} == {
            "detected": (2, "2.000"),
            "failed": (1, "0.000"),
        }
        charges = [row["millitokens"] for row in ledger if row["kind"] == "charge"]
        assert sum(charges) == 2_000
        assert table.splitlines()[1] == "api.acme.r1.0,3,2.000,2000,0.000,0"
        async with place.client("poor") as client:
            assert (await client.get("/v1/usage")).json()["rows"] == []
            assert (await client.get("/v1/ledger")).json()["transfers"] == []


async def test_a_top_up_is_seen_in_what_remains(place: Place) -> None:
    async with biller(place), place.replica():
        first = (await send(place)).json()["usage"]["remaining_tokens"]
        async with place.client("*") as client:
            paid = await client.post(
                "/v1/admin/accounts/acme/topups",
                json={"tokens": "50"},
                headers={"Idempotency-Key": "bill 7"},
            )
        assert (first, paid.status_code) == ("99.000", 201)
        asked = 1

        async def seen() -> bool:
            nonlocal asked
            asked += 1
            left = (await send(place)).json()["usage"]["remaining_tokens"]
            return bool(left == f"{150 - asked}.000")

        await until("what remains has the top-up in it", seen)


async def test_what_a_stopped_replica_held_is_there_for_the_others(place: Place) -> None:
    await place.add_account("small", tokens=3)
    async with biller(place), place.replica("r2"):
        async with place.replica("r1"):
            assert (await send(place, "small")).status_code == 200
        assert (await send(place, "small", replica="r2")).status_code == 200
        assert (await send(place, "small", replica="r2")).status_code == 200
        assert slug(await send(place, "small", replica="r2")) == (402, "insufficient-tokens")
    assert [frame.stream for frame in place.standin.seen] == [
        "api.small.r1.0",
        "api.small.r2.0",
        "api.small.r2.0",
    ]
