"""Tariffs and plans in PostgreSQL: the estimate is the session's price is the charge."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import count, product

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.catalog import Catalog
from billing.pricing import Prices, Question
from billing.sessions import Sessions
from billing.tariff import TARIFF_V1, Tariff
from billing.tariff_document import encode
from billing.tariffs import START_GRACE, Tariffs
from tests.integration.billing.house import ACCOUNT, MODEL, House, asking, event
from tests.unit.billing.price_tables import tariffs
from wire.clock import ManualClock
from wire.errors import Rejected, UnknownAccount
from wire.frames import Tier
from wire.models import SIZE_CLASSES, TASKS, ModelSpec
from wire.sessions import OpenSession, RenewSession
from wire.slicing import Slices, tiles_of

pytestmark = pytest.mark.integration

START = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KINDS = list(product(SIZE_CLASSES, TASKS))
GOLD = replace(
    TARIFF_V1,
    version="v2",
    starts_at=START + DAY,
    plans={"standard": Fraction(1), "gold": Fraction("0.5")},
)


@dataclass(kw_only=True)
class Shop:
    """A house at a time of its own."""

    house: House
    clock: ManualClock
    tariffs: Tariffs
    prices: Prices
    sessions: Sessions


@pytest.fixture
async def shop(house: House) -> AsyncIterator[Shop]:
    """Give a house in June, with a model of each size class and task, and a rich account."""
    clock = ManualClock(START)
    await house.accounts.top_up(ACCOUNT, 10**15, "rich")
    for size, task in KINDS:
        spec = ModelSpec(
            model=f"yolo-{task}-{size}", version="v1", source="x.pt", size_class=size, task=task
        )
        await Catalog(house.pool, clock).register(spec)
    yield Shop(
        house=house,
        clock=clock,
        tariffs=Tariffs(house.pool, clock),
        prices=Prices(house.pool, clock),
        sessions=Sessions(house.pool, clock, 60.0),
    )


async def charge(house: House, request: OpenSession, epoch: int, last: int) -> int:
    """Let a biller see the session's frames 0..last detected; return what the hour says."""
    done = event(
        0,
        last,
        stream=request.stream,
        epoch=epoch,
        model=request.model,
        height=request.height,
        width=request.width,
    )
    await house.write(done)
    return int(
        await house.pool.fetchval(
            "select sum(millitokens)::int8 from usage_hour where stream = $1 and epoch = $2",
            request.stream,
            epoch,
        )
    )


requests = st.builds(
    OpenSession,
    account=st.just(ACCOUNT),
    stream=st.just("gate"),
    model=st.sampled_from(KINDS).map(lambda kind: f"yolo-{kind[1]}-{kind[0]}"),
    height=st.integers(1, 40).map(lambda n: n * 32),
    width=st.integers(1, 40).map(lambda n: n * 32),
    tier=st.sampled_from(Tier),
    frames=st.integers(1, 50),
    batch_images=st.integers(1, 1_000),
    slices=st.none()
    | st.builds(
        Slices,
        rows=st.integers(1, 4),
        columns=st.integers(1, 4),
        overlap=st.sampled_from((0.0, 0.2, 0.125)),
    ),
)
numbers = count(10)
changed = msgspec.structs.replace


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=requests, tariff=tariffs(), plan=st.sampled_from(("standard", "gold")))
async def test_an_estimate_is_the_sessions_price_is_the_later_charge(
    shop: Shop, request: OpenSession, tariff: Tariff, plan: str
) -> None:
    shop.clock.advance(DAY.total_seconds())
    added = replace(tariff, version=f"v{next(numbers)}", starts_at=shop.clock.now())
    await shop.tariffs.add(encode(added))
    await shop.tariffs.set_plan(ACCOUNT, plan)
    question = Question(
        model=request.model,
        height=request.height,
        width=request.width,
        tier=request.tier,
        account=ACCOUNT,
        images=request.batch_images,
        slices=request.slices,
    )
    estimate = await shop.prices.quote(question)
    grant = await shop.sessions.open(request)
    assert (estimate.tariff, estimate.plan) == (added.version, plan)
    assert grant.unit_price == estimate.unit_price == estimate.tiles * estimate.tile_price
    assert estimate.tiles == tiles_of(request.slices)
    _, task, size_class = request.model.split("-")
    assert estimate.task == task
    charged = await charge(shop.house, request, grant.epoch, request.frames - 1)
    assert charged == estimate.unit_price * request.frames
    row = await shop.house.session("gate", grant.epoch)
    assert (row["tariff"], row["plan"], row["batch_images"], row["size_class"], row["task"]) == (
        added.version,
        plan,
        request.batch_images,
        size_class,
        task,
    )
    assert row["slices"] == (None if request.slices is None else str(request.slices))


async def test_the_first_tariff_is_the_published_one_and_stays_and_none_is_before_it(
    shop: Shop,
) -> None:
    assert await shop.tariffs.list() == [TARIFF_V1]
    for change in ("update tariff set version = 'x'", "delete from tariff", "truncate tariff"):
        with pytest.raises(asyncpg.PostgresError):
            await shop.house.pool.execute(change)
    early = Prices(shop.house.pool, ManualClock(TARIFF_V1.starts_at - DAY))
    with pytest.raises(Rejected, match="no tariff is in force"):
        await early.quote(Question(model=MODEL.model, height=640, width=640, tier=Tier.STANDARD))


async def test_a_session_is_of_its_models_own_task_and_no_other(shop: Shop) -> None:
    own = changed(asking(), model="yolo-segment-s")
    for request in (own, changed(own, task="segment")):
        grant = await shop.sessions.open(request)
        assert (await shop.house.session("gate", grant.epoch))["task"] == "segment"
        assert grant.unit_price == 1_500
    for wrong in (changed(own, task="detect"), changed(asking(), task="pose")):
        with pytest.raises(Rejected, match="is for task"):
            await shop.sessions.open(wrong)


async def test_an_open_session_keeps_its_price_when_a_tariff_starts(shop: Shop) -> None:
    dearer = replace(GOLD, alpha=Fraction(3))
    await shop.tariffs.add(encode(dearer))
    before = await shop.sessions.open(asking("gate"))
    shop.clock.advance(DAY.total_seconds())
    after = await shop.sessions.open(asking("door"))
    renewed = await shop.sessions.renew(
        "gate", before.epoch, RenewSession(published=9, captured=9, frames=10)
    )
    assert (before.unit_price, renewed.unit_price, after.unit_price) == (1_000, 1_000, 3_000)
    assert await charge(shop.house, asking("gate"), before.epoch, 8) == 9_000
    assert (await shop.tariffs.in_force(START)).version == "v1"
    assert (await shop.tariffs.in_force(START + DAY)).version == "v2"


async def test_a_tariff_is_added_once_and_only_after_all_others(shop: Shop) -> None:
    assert (await shop.tariffs.add(encode(GOLD))).applied
    assert not (await shop.tariffs.add(json.dumps(json.loads(encode(GOLD))))).applied
    late = START - START_GRACE - timedelta(seconds=1)
    for refused, message in (
        (replace(GOLD, alpha=Fraction(2)), "another content"),
        (replace(GOLD, version="v3"), "must start after v2"),
        (replace(GOLD, version="v3", starts_at=START + DAY / 2), "must start after v2"),
        (replace(GOLD, version="v3", starts_at=late), "has passed"),
    ):
        with pytest.raises(Rejected, match=message):
            await shop.tariffs.add(encode(refused))
    assert [tariff.version for tariff in await shop.tariffs.list()] == ["v1", "v2"]


async def test_a_plan_must_have_a_price_now_and_ever_after(shop: Shop) -> None:
    with pytest.raises(Rejected, match="tariff v1 has no plan 'gold'"):
        await shop.tariffs.set_plan(ACCOUNT, "gold")
    with pytest.raises(UnknownAccount):
        await shop.tariffs.set_plan("nobody", "standard")
    await shop.tariffs.add(encode(GOLD))
    shop.clock.advance(DAY.total_seconds())
    assert await shop.tariffs.set_plan(ACCOUNT, "gold")
    assert not await shop.tariffs.set_plan(ACCOUNT, "gold")
    assert (await shop.sessions.open(asking())).unit_price == 500
    without = replace(TARIFF_V1, version="v3", starts_at=START + 2 * DAY)
    with pytest.raises(Rejected, match="tariff v3 has no plan 'gold'"):
        await shop.tariffs.add(encode(without))
