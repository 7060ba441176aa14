"""Models are listed without their inside, and remembered for a moment."""

from tests.unit.gateway.house import MODEL, House, MemoryBooks


async def test_models_are_listed_without_where_their_weights_lie(house: House) -> None:
    async with house.client("key-read") as client:
        response = await client.get("/v1/models")
    (model,) = response.json()["models"]
    assert (model["model"], model["version"], model["size_class"]) == (MODEL.model, "v7", "s")
    assert "secret" not in response.text


async def test_a_known_model_is_looked_up_once_in_a_while() -> None:
    from datetime import UTC, datetime

    from gateway.models import MODEL_TTL_S, KnownModels
    from wire.clock import ManualClock

    class Counting(MemoryBooks):
        asked_for = 0

        async def get(self, model: str):  # type: ignore[no-untyped-def]
            self.asked_for += 1
            return await super().get(model)

    books, clock = Counting(), ManualClock(datetime(2026, 11, 24, tzinfo=UTC))
    models = KnownModels(books, clock)
    for _ in range(3):
        await models.get(MODEL.model)
    assert books.asked_for == 1
    clock.advance(MODEL_TTL_S)
    await models.get(MODEL.model)
    assert books.asked_for == 2
