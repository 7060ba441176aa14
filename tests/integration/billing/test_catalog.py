"""Versions of models: added, activated, rolled back, tried beside the active one, told, removed."""

import asyncio

import msgspec
import pytest

from billing.announcing import announce, announce_all
from billing.catalog import Catalog
from billing.database import Role, open_pool
from tests.integration.billing.house import MODEL, House
from wire.clock import SystemClock
from wire.compacted import snapshot
from wire.errors import Rejected, Retryable, UnknownModel
from wire.kafka import Kafka
from wire.models import Former, ModelSpec, decode

pytestmark = pytest.mark.integration
NAME = MODEL.model
AWAY = Kafka(bootstrap="127.0.0.1:9")


def version(name: str, **changes: object) -> ModelSpec:
    return msgspec.structs.replace(MODEL, version=name, source=f"{name}.pt", **changes)


def former(spec: ModelSpec) -> Former:
    return Former(
        version=spec.version, source=spec.source, confidence=spec.confidence, iou=spec.iou
    )


async def active(house: House) -> str:
    return (await Catalog(house.pool).get(NAME)).version


async def test_versions_are_activated_and_rolled_back_in_the_order_they_came(house: House) -> None:
    catalog = Catalog(house.pool)
    for name in ("v2", "v3"):
        assert await catalog.add(version(name))
        assert not await catalog.add(version(name)), "a repeat finds it there"
        assert await catalog.activate(NAME, name)
        assert not await catalog.activate(NAME, name)
    assert await catalog.list() == [version("v3")]
    assert await catalog.rollback(NAME, "v3") == "v2"
    assert await catalog.rollback(NAME, "v3") == "v2", "a repeat goes back once"
    assert await catalog.rollback(NAME, "v2") == "v1"
    with pytest.raises(Rejected, match="nothing was active before v1"):
        await catalog.rollback(NAME, "v1")
    with pytest.raises(Rejected, match="no version 'v9'"):
        await catalog.activate(NAME, "v9")
    for model in ("yolov9z", "nul\0"):
        with pytest.raises(UnknownModel):
            await catalog.get(model)


async def test_a_version_cannot_change_what_sessions_are_priced_by(house: House) -> None:
    catalog = Catalog(house.pool)
    with pytest.raises(Rejected, match="registered with task detect"):
        await catalog.register(version("v2", task="segment"))
    with pytest.raises(Rejected, match="registered with size class s"):
        await catalog.register(version("v2", size_class="m"))
    assert [each.version for each in (await catalog.versions(NAME))[0].versions] == ["v1"]


async def test_a_refused_version_never_runs_until_it_passes_and_other_classes_never(
    house: House,
) -> None:
    catalog = Catalog(house.pool)
    await catalog.add(MODEL, classes=("person", "dog"))
    await catalog.refuse(version("v2"), "it is not a model")
    for attempt in (catalog.activate(NAME, "v2"), catalog.set_canary(NAME, "v2", 5)):
        with pytest.raises(Rejected, match="refused: it is not a model"):
            await attempt
    await catalog.add(version("v2"))
    with pytest.raises(Rejected, match="refused"):
        await catalog.activate(NAME, "v2")
    with pytest.raises(Rejected, match="is active, and fails"):
        await catalog.refuse(MODEL, "broken")
    with pytest.raises(Rejected, match="other classes"):
        await catalog.add(version("v3"), classes=("person", "cat"))
    assert await catalog.add(version("v2"), classes=("person", "dog")), "it passed this time"
    assert await catalog.activate(NAME, "v2")


async def test_one_version_has_one_set_of_weights_and_may_get_other_thresholds(
    house: House,
) -> None:
    catalog = Catalog(house.pool)
    await catalog.add(version("v2", sha256="a" * 64))
    moved = msgspec.structs.replace(version("v2", sha256="a" * 64), source="moved.pt", iou=0.5)
    assert await catalog.add(moved)
    with pytest.raises(Rejected, match="other weights"):
        await catalog.add(version("v2", sha256="b" * 64))
    await catalog.activate(NAME, "v2")
    assert await catalog.get(NAME) == moved


async def test_a_model_that_was_never_active_may_still_get_other_terms(house: House) -> None:
    catalog = Catalog(house.pool)
    spec = ModelSpec(model="dogs", version="v1", source="d.pt", size_class="n", task="detect")
    await catalog.refuse(spec, "the weights are for segment")
    with pytest.raises(UnknownModel):
        await catalog.get("dogs")
    segment = msgspec.structs.replace(spec, task="segment")
    await catalog.add(segment, classes=("dog",))
    await catalog.activate("dogs", "v1")
    assert await catalog.get("dogs") == segment


async def test_a_canary_runs_beside_the_active_version_until_it_is_promoted(house: House) -> None:
    catalog = Catalog(house.pool)
    await catalog.add(version("v2"))
    with pytest.raises(Rejected, match="own canary"):
        await catalog.set_canary(NAME, "v1", 10)
    with pytest.raises(Rejected, match="1 to 99"):
        await catalog.set_canary(NAME, "v2", 100)
    assert await catalog.set_canary(NAME, "v2", 10)
    assert not await catalog.set_canary(NAME, "v2", 10)
    spec = await catalog.get(NAME)
    assert spec.canary is not None
    assert (spec.version, spec.canary.version, spec.canary.percent) == ("v1", "v2", 10)
    with pytest.raises(Rejected, match="runs"):
        await catalog.remove_version(NAME, "v2")
    await catalog.activate(NAME, "v2")
    assert await catalog.get(NAME) == version("v2")
    assert await catalog.set_canary(NAME, "v1", 50)
    assert await catalog.clear_canary(NAME)
    assert not await catalog.clear_canary(NAME)
    assert await catalog.remove_version(NAME, "v1")
    with pytest.raises(Rejected, match="no version 'v1'"):
        await catalog.rollback(NAME, "v2")


async def test_activations_that_happen_at_once_leave_one_history(house: House) -> None:
    catalog = Catalog(house.pool)
    names = [f"w{number}" for number in range(6)]
    for name in names:
        await catalog.add(version(name))
    await asyncio.gather(*(catalog.activate(NAME, name) for name in names))
    rows = await house.pool.fetch(
        "select version, replaced from model_activation where model = $1 order by id", NAME
    )
    told = [row["version"] for row in rows]
    assert [row["replaced"] for row in rows] == [None, *told[:-1]]
    assert told[-1] == await active(house)


async def test_the_topic_gets_the_newest_state_also_when_it_was_away(busy_house: House) -> None:
    house, topic, now = busy_house, busy_house.topics.models, SystemClock().now()
    catalog = Catalog(house.pool)

    async def told() -> dict[str, ModelSpec]:
        await announce(house.pool, house.kafka, topic, now)
        rows = await snapshot(house.kafka, topic)
        return {model: decode(value) for model, value in rows.items()}

    assert await told() == {NAME: MODEL}
    assert await announce(house.pool, house.kafka, topic, now) == (), "nothing is new"
    await catalog.register(version("v2"))
    with pytest.raises(Retryable, match="models publish"):
        await announce(house.pool, AWAY, topic, now)
    await asyncio.gather(*(told() for _ in range(3)))
    v1, v2 = former(MODEL), former(version("v2"))
    assert await told() == {NAME: version("v2", former=v1)}
    await catalog.register(version("v3"))
    assert await told() == {NAME: version("v3", former=v2)}
    assert await catalog.rollback(NAME, "v3") == "v2"
    assert await told() == {NAME: version("v2", former=v1)}, "not the one that was left"
    await catalog.remove_version(NAME, "v1")
    await catalog.touch(NAME)
    assert await told() == {NAME: version("v2")}
    assert await announce_all(house.pool, house.kafka, topic, now) == (NAME,)
    await house.open("gate", frames=1)
    with pytest.raises(Rejected, match="1 sessions of model yolov8s are open"):
        await catalog.remove(NAME)
    await house.as_owner("update session set state = 'settled', held_frames = 0")
    assert await catalog.remove(NAME)
    assert not await catalog.remove(NAME)
    assert await told() == {}


async def test_an_activation_that_is_noted_is_not_changed(house: House) -> None:
    async with await open_pool(house.database, size_max=1, role=Role.SERVICE) as pool:
        with pytest.raises(Exception, match="permission denied"):
            await pool.execute("update model_activation set version = 'v9'")
