"""An estimate is the price that a session of these terms will have, times the images."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing import Priced, Question
from gateway.estimate import IMAGES_MAX, estimate_of
from tests.unit.gateway.house import MODEL, House
from wire.balances import format_tokens
from wire.frames import Tier


async def ask(house: House, key: str = "key-a", **params: Any) -> tuple[int, Any]:
    """Return the status and the body of an answer about the house's model at 640."""
    async with house.client(key) as client:
        response = await client.get("/yolo/estimate", params={"model": MODEL.model} | params)
    return response.status_code, response.json()


@given(price=st.integers(1, 10**9), images=st.integers(1, IMAGES_MAX))
def test_an_estimate_is_the_price_times_the_images(price: int, images: int) -> None:
    question = Question(model="m", height=640, width=384, tier=Tier.PRIORITY, images=3)
    priced = Priced(unit_price=price, tariff="v7", plan="gold", size_class="s", task="detect")
    estimate = estimate_of(question, priced, images=images)
    assert (estimate.unit_millitokens, estimate.millitokens) == (price, price * images)
    assert estimate.tokens == format_tokens(price * images)


async def test_the_published_example_costs_what_it_says(house: House) -> None:
    status, body = await ask(house, img_size="960x960", images=3)
    assert status == 200
    assert (body["unit_tokens"], body["tokens"], body["millitokens"]) == ("2.250", "6.750", 6_750)
    assert (body["tariff"], body["plan"], body["task"]) == ("v9", "standard", "detect")


async def test_the_callers_own_plan_holds_and_an_operator_may_name_an_account(house: House) -> None:
    plans = [
        ("key-b", {}, "half", 500),
        ("key-operator", {}, "standard", 1_000),
        ("key-operator", {"account": "b"}, "half", 500),
    ]
    for key, params, plan, price in plans:
        _, body = await ask(house, key, **params)
        assert (body["plan"], body["unit_millitokens"]) == (plan, price)
    status, _ = await ask(house, "key-a", account="b")
    assert status == 404


@pytest.mark.parametrize(("at_once", "millitokens"), [(1, 16_000), (7, 16_000), (8, 14_400)])
async def test_images_are_cheaper_only_when_they_come_at_once(
    house: House, at_once: int, millitokens: int
) -> None:
    _, body = await ask(house, images=16, batch_images=at_once)
    assert body["millitokens"] == millitokens


async def test_a_sliced_image_costs_as_much_as_its_tiles(house: House) -> None:
    _, tile = await ask(house, img_size="352")
    _, body = await ask(house, img_size="352", slices="2x3x0.2", images=2)
    assert (tile["tiles"], tile["slices"], tile["unit_millitokens"]) == (1, None, 303)  # 302.5
    assert (body["tiles"], body["slices"], body["tile_millitokens"]) == (6, [2, 3, 0.2], 303)
    assert (body["unit_millitokens"], body["millitokens"]) == (6 * 303, 2 * 6 * 303)
    for wrong in ("6x6", "2", "2x2x0.9"):
        assert (await ask(house, slices=wrong))[0] == 422


async def test_an_unknown_model_or_an_impossible_size_has_no_price(house: House) -> None:
    assert (await ask(house, model="yolov8q"))[0] == 404
    status, size = await ask(house, img_size="650")
    assert status == 422
    assert "640 and 672" in size["detail"]
    assert (await ask(house, model="A B"))[0] == 422
    assert (await ask(house, tier="gold"))[0] == 422
    assert (await ask(house, batch_images=0))[0] == 422
