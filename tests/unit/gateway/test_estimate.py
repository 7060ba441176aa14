"""An estimate is the price that a session of these terms will have, times the images."""

from hypothesis import given
from hypothesis import strategies as st

from billing.tariff import unit_price
from gateway.estimate import IMAGES_MAX, price
from tests.unit.gateway.house import MODEL, House
from wire.balances import format_tokens
from wire.frames import SIDE_MAX, SIDE_STEP, Tier
from wire.models import SIZE_CLASSES, ModelSpec

sides = st.integers(1, SIDE_MAX // SIDE_STEP).map(lambda n: n * SIDE_STEP)


@given(
    size_class=st.sampled_from(SIZE_CLASSES),
    height=sides,
    width=sides,
    tier=st.sampled_from(Tier),
    images=st.integers(1, IMAGES_MAX),
)
def test_an_estimate_is_what_will_be_charged(
    size_class: str, height: int, width: int, tier: Tier, images: int
) -> None:
    spec = ModelSpec(model="m", version="1", source="s", size_class=size_class)
    estimate = price(spec, size=(height, width), tier=tier, images=images)
    charged = unit_price(size_class=size_class, height=height, width=width, tier=tier)
    assert estimate.unit_millitokens == charged
    assert estimate.millitokens == charged * images
    assert estimate.tokens == format_tokens(charged * images)


async def test_the_published_example_costs_what_it_says(house: House) -> None:
    async with house.client() as client:
        response = await client.get(
            "/yolo/estimate", params={"model": MODEL.model, "img_size": "960x960", "images": 3}
        )
    assert response.status_code == 200
    body = response.json()
    assert (body["unit_tokens"], body["tokens"], body["millitokens"]) == ("2.250", "6.750", 6_750)


async def test_an_unknown_model_or_an_impossible_size_has_no_price(house: House) -> None:
    async with house.client() as client:
        unknown = await client.get("/yolo/estimate", params={"model": "yolov8q"})
        size = await client.get("/yolo/estimate", params={"model": MODEL.model, "img_size": "650"})
        name = await client.get("/yolo/estimate", params={"model": "A B"})
        tier = await client.get("/yolo/estimate", params={"model": MODEL.model, "tier": "gold"})
    assert (unknown.status_code, size.status_code) == (404, 422)
    assert "640 and 672" in size.json()["detail"]
    assert (name.status_code, tier.status_code) == (422, 422)
