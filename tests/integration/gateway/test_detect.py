"""An image through real Kafka, PostgreSQL and Valkey."""

import asyncio
from typing import Any

import pytest

from tests.integration.gateway.conftest import Place
from tests.integration.gateway.images import amounts, send, slug, until
from tests.unit.gateway.house import png
from wire.usage import Status

pytestmark = pytest.mark.integration


async def test_images_are_answered_by_a_detector_and_funded_by_one_grant(place: Place) -> None:
    async with place.replica():
        answers = [await send(place) for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 200]
        usages: list[dict[str, Any]] = [one.json()["usage"] for one in answers]
        assert [one["remaining_tokens"] for one in usages] == ["99.000", "98.000", "97.000"]
        assert await amounts(place) == (84, 16)
    assert [frame.id for frame in place.standin.seen] == [f"api.acme.r1.0/1/{n}" for n in range(3)]
    # The gateway has stopped: only what is published and not yet billed stays held.
    assert await amounts(place) == (97, 3)


async def test_an_idle_line_gives_back_what_it_held(place: Place) -> None:
    async def came_back() -> bool:
        return await amounts(place) == (99, 1)

    async with place.replica(line_idle_s=0.1):
        await send(place)
        await until("the rest of the grant came back", came_back)
        assert (await send(place)).status_code == 200
    assert [frame.id for frame in place.standin.seen] == [
        "api.acme.r1.0/1/0",
        "api.acme.r1.0/2/0",
    ]


async def test_without_tokens_it_is_402_until_topped_up(place: Place) -> None:
    async with place.replica():
        assert slug(await send(place, "poor")) == (402, "insufficient-tokens")
        await place.accounts.top_up("poor", 1_000, "bill 1")
        assert (await send(place, "poor")).json()["usage"]["remaining_tokens"] == "0.000"
        assert slug(await send(place, "poor")) == (402, "insufficient-tokens")
    assert len(place.standin.seen) == 1


async def test_tokens_that_wait_in_one_line_pay_for_an_image_at_another_price(
    place: Place,
) -> None:
    await place.add_account("small", tokens=2)
    async with place.replica(), place.client("small") as client:
        for size, left in (("640", "1.000"), ("320", "0.750"), ("384x640", "0.150")):
            response = await client.post(
                "/yolo/detect",
                data={"model": "yolov8s", "img_size": size},
                files={"image": ("x.png", png(), "image/png")},
            )
            assert response.json()["usage"]["remaining_tokens"] == left


async def test_many_requests_at_once_never_spend_more_than_there_is(place: Place) -> None:
    await place.add_account("small", tokens=5)
    async with place.replica():
        answers = await asyncio.gather(*(send(place, "small") for _ in range(12)))
    assert sorted(one.status_code for one in answers) == [200] * 5 + [402] * 7
    assert await amounts(place, "small") == (0, 5)


@pytest.mark.parametrize("status", [Status.FAILED, Status.REJECTED, Status.EXPIRED])
async def test_a_frame_that_was_not_inferred_is_a_problem(place: Place, status: Status) -> None:
    place.standin.status = status
    async with place.replica():
        response = await send(place)
        assert response.status_code in (502, 503)
        assert "nothing was charged" in response.json()["detail"]


async def test_no_answer_in_time_is_504(place: Place) -> None:
    place.standin.silent = True
    async with place.replica(detect_timeout_s=0.3):
        assert slug(await send(place)) == (504, "timeout")


async def test_replicas_share_the_answers_of_idempotent_requests(place: Place) -> None:
    async with place.replica("r1"), place.replica("r2"):
        first = await send(place, Idempotency_Key="order 7")
        second = await send(place, replica="r2", Idempotency_Key="order 7")
    assert first.status_code == 200
    assert first.content == second.content
    assert len(place.standin.seen) == 1


async def test_a_key_that_another_replica_works_on_is_409(place: Place) -> None:
    place.standin.silent = True
    async with place.replica("r1", detect_timeout_s=0.5), place.replica("r2"):
        first = asyncio.create_task(send(place, Idempotency_Key="k"))
        await asyncio.sleep(0.3)
        assert slug(await send(place, replica="r2", Idempotency_Key="k")) == (409, "in-progress")
        assert slug(await first) == (504, "timeout")


async def test_two_replicas_answer_their_own_requests_alone(place: Place) -> None:
    async with place.replica("r1"), place.replica("r2"):
        answers = await asyncio.gather(
            *(send(place, replica=name) for name in ("r1", "r2") for _ in range(3))
        )
    assert {one.status_code for one in answers} == {200}
    assert {frame.stream for frame in place.standin.seen} == {"api.acme.r1.0", "api.acme.r2.0"}
    assert await amounts(place) == (94, 6)


async def test_a_replica_that_comes_back_opens_the_next_epoch(place: Place) -> None:
    for epoch in (1, 2):
        async with place.replica():
            assert (await send(place)).status_code == 200
        assert place.standin.seen[-1].id == f"api.acme.r1.0/{epoch}/0"
