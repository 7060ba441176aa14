"""No call of one tenant returns a byte of another's, or changes a row of it, on any route."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.responses import Response

from tests.integration.gateway.conftest import Place
from tests.integration.gateway.operations import Ask, Operation, operations
from tests.integration.gateway.tenant import (
    Tenant,
    add_tariff,
    rows,
    settle,
    shared_rows,
    values,
)
from tests.unit.gateway.house import png

pytestmark = pytest.mark.integration

SEQUENCES = 20

OURS = Tenant(
    account="ours-inc",
    streams=("ours-gate", "ours-lake"),
    model="ours-model",
    word="oursword",
    millitokens=31_415_926_535,
    hour=datetime(2026, 5, 6, 7, tzinfo=UTC),
)
THEIRS = Tenant(
    account="theirs-ltd",
    streams=("theirs-door", "theirs-attic"),
    model="theirs-model",
    word="theirsword",
    millitokens=27_182_818_284,
    hour=datetime(2026, 3, 4, 5, tzinfo=UTC),
)
PUBLIC = {"/v1/models": {THEIRS.model, THEIRS.word}}
"""What is told to everybody: which models there are."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Two tenants on one gateway."""

    place: Place
    operations: list[Operation]
    marks: set[str]
    before: dict[str, list[dict[str, Any]]]

    async def try_all(self, asks: list[Ask]) -> None:
        """Ask with our key; fail where an answer has a mark that the request did not bring."""
        async with self.place.client(OURS.account) as client:
            for ask in asks:
                answer = await ask.send(client)
                told = answer.text + str(answer.headers)
                assert answer.status_code != 500, (ask, told)
                known = ask.said()
                leaked = {mark for mark in self.marks if mark in told and mark not in known}
                leaked -= PUBLIC.get(ask.path, set())
                if leaked:  # what is written in our own rows, we may read
                    leaked -= values(await rows(self.place, OURS.account))
                assert not leaked, (ask, told)

    async def check_rows(self) -> None:
        """Fail when a row of theirs, or of everybody, is not what it was."""
        assert await everything(self.place) == self.before


async def everything(place: Place) -> dict[str, list[dict[str, Any]]]:
    """Return what our calls must not change."""
    return await rows(place, THEIRS.account) | await shared_rows(place)


def pools(ids: list[int]) -> dict[str, list[Any]]:
    """Return what requests are made of, by name; `*` is any other text, `#` any other number."""
    accounts = [OURS.account, THEIRS.account, "nobody", None]
    streams = [*OURS.streams, *THEIRS.streams, f"api.{THEIRS.account}.r1.0", "nothing"]
    keys = [None, f"key-{THEIRS.word}", f"bill-{THEIRS.word}", "other"]
    moments = [None, "2026-03-04T05:00:00Z", "2026-06-01", "2026-03-04T05:08:00Z"]
    groups = ["stream", "model,status,tier,hour", "day"]
    urls = [THEIRS.webhook, "https://elsewhere.example/", "http://127.0.0.1:9/x"]
    return {
        "account": accounts,
        "stream": streams,
        "epoch": [1, 2, 3],
        "model": [OURS.model, THEIRS.model, "nothing"],
        "idempotency-key": keys,
        "from": moments[1:],
        "to": ["2026-06-01T00:00Z", *moments],
        "group_by": groups,
        "accept": ["*/*", "text/csv"],
        "before": [None, max(ids), min(ids)],
        "url": urls,
        "image_url": urls[1:],
        "img_size": [320, "320x640"],
        "height": [640, 320],
        "width": [640, 320],
        "task": ["detect", None],
        "tokens": [None, "12.5"],
        "thresholds": ["1", "12.5"],
        "reason": [THEIRS.word, "ended"],
        "*": [*accounts, *streams, *keys, *groups, THEIRS.model, THEIRS.webhook],
        "#": [1, 0, 5, -1, max(ids)],
    }


@pytest.fixture
async def world(place: Place) -> AsyncIterator[World]:
    """Give both tenants, each with something in every table, and the routes of the app."""
    await add_tariff(place)
    async with place.replica("r0"):  # when it stops, it gives back what it holds for them
        for partition, tenant in enumerate((OURS, THEIRS)):
            await settle(place, tenant, partition)
    theirs, ours = await rows(place, THEIRS.account), await rows(place, OURS.account)
    async with place.replica():
        app, before = place.app(), await everything(place)
        empty = [table for table, found in before.items() if not found]
        assert set(empty) <= {"transfer_carried", "unbillable"}, (
            "nothing to leak there: settle more"
        )
        marks = (values(theirs) | THEIRS.marks | {THEIRS.word}) - values(ours) - OURS.marks
        ids = [row["id"] for row in before["transfer"]]
        made = operations(app, pools(ids), png())
        yield World(place=place, operations=made, marks=marks, before=before)


async def check_marks(world: World) -> None:
    """Fail unless who may see them sees the marks: else the tests would prove nothing."""
    told = set()
    async with world.place.client("*") as client:
        for path in ("account", "ledger", "usage", "statement", "account/alerts"):
            url = f"/v1/{path}?account={THEIRS.account}"
            if path in ("usage", "statement"):
                url += "&from=2026-03-01&to=2027-01-01"
            text = (await client.get(url)).text
            seen = {mark for mark in world.marks - {THEIRS.account} if mark in text}
            assert seen, url
            told |= seen
    assert told >= {*THEIRS.streams, f"topup/bill-{THEIRS.word}", THEIRS.webhook, THEIRS.model}
    assert f"{THEIRS.millitokens}" in told


async def test_each_parameter_of_each_route_is_tried_with_what_is_theirs(world: World) -> None:
    await check_marks(world)
    for operation in world.operations:
        await world.try_all(list(operation.sweep()))
    await world.check_rows()


async def test_a_new_route_is_tried_and_its_leak_is_found(world: World) -> None:
    app, leaky = world.place.app(), APIRouter()

    @leaky.get("/v1/leak/{account}")
    async def leak(account: str) -> Response:
        return Response(str((await world.place.accounts.balance(account)).available))

    app.include_router(leaky)
    app.openapi_schema = None  # described anew
    (new,) = (each for each in operations(app, pools([1]), png()) if "leak" in each.path)
    with pytest.raises(AssertionError, match="/v1/leak/theirs-ltd"):
        await world.try_all(list(new.sweep()))


async def test_no_sequence_of_calls_returns_or_changes_what_is_theirs(world: World) -> None:
    for seed in range(SEQUENCES):
        chance = random.Random(seed)
        asks = [
            chance.choice(world.operations).any_ask(chance) for _ in range(chance.randint(1, 8))
        ]
        await world.try_all(asks)
        await world.check_rows()
