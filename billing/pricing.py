"""What one frame costs an account: the tariff in force, the account's plan, the model's class.

An estimate and the opening of a session ask the same function, so they cannot differ. Promises
that a model which is not registered, or that the tariff has no price for, is refused before
anything is spent.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from billing import tariffs
from billing.catalog import find_model
from billing.database import connected
from billing.tariff import STANDARD_PLAN, PriceTerms, Tariff, price_of_frame
from wire.clock import Clock
from wire.errors import Rejected
from wire.frames import Tier
from wire.sessions import OpenSession
from wire.slicing import Slices, tiles_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A price, in millitokens a frame, and what it follows from: `tiles` times a tile's price."""

    unit_price: int
    tariff: str
    plan: str
    size_class: str
    task: str
    tiles: int = 1

    @property
    def tile_price(self) -> int:
        """Return what one tile costs, in millitokens."""
        return self.unit_price // self.tiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a price is asked for; `images` is how many come at once, `slices` how each is cut.

    No `task`: the model's own. No `plan`: the account's, or without one the standard plan. No
    `tariff`: the one in force.
    """

    model: str
    height: int
    width: int
    tier: Tier
    account: str | None = None
    task: str | None = None
    images: int = 1
    plan: str | None = None
    tariff: str | None = None
    slices: Slices | None = None

    @property
    def tiles(self) -> int:
        """Return how many tiles each image has."""
        return tiles_of(self.slices)


async def price_of(connection: Any, request: OpenSession, now: datetime) -> Priced:
    """Return the price that holds for a session opened `now`.

    Raises `UnknownModel`, `UnknownAccount`, and `Rejected` where there is no price.
    """
    question = Question(
        model=request.model,
        height=request.height,
        width=request.width,
        tier=request.tier,
        account=request.account,
        task=request.task,
        images=request.batch_images,
        slices=request.slices,
    )
    return await _quote(connection, question, now)


class Prices:
    """Tells what frames will cost, before anything is spent."""

    def __init__(self, pool: "asyncpg.Pool[Any]", clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def quote(self, question: Question) -> Priced:
        """Return what a session opened now on these terms would cost a frame.

        Raises as `price_of` does.
        """
        async with connected(self._pool) as connection:
            return await _quote(connection, question, self._clock.now())

    async def basis(self, question: Question) -> tuple[Tariff, str]:
        """Return the tariff and the plan that hold for a question, whatever its model.

        Raises `UnknownAccount`, and `Rejected` when there is no such tariff.
        """
        async with connected(self._pool) as connection:
            return await _basis(connection, question, self._clock.now())


async def _basis(connection: Any, question: Question, now: datetime) -> tuple[Tariff, str]:
    if question.tariff is None:
        tariff = await tariffs.find_in_force(connection, now)
    else:
        tariff = await tariffs.find_version(connection, question.tariff)
    plan = STANDARD_PLAN
    if question.account is not None:
        plan = await tariffs.find_plan(connection, question.account)
    return tariff, question.plan or plan


async def _quote(connection: Any, question: Question, now: datetime) -> Priced:
    spec = await find_model(connection, question.model)
    task = spec.task if question.task is None else question.task
    if task != spec.task:
        raise Rejected(f"model {question.model!r} is for task {spec.task!r}, not {task[:80]!r}")
    tariff, plan = await _basis(connection, question, now)
    return priced(question, size_class=spec.size_class, task=task, tariff=tariff, plan=plan)


def priced(question: Question, *, size_class: str, task: str, tariff: Tariff, plan: str) -> Priced:
    """Return a question's price, once its size class, task, tariff and plan are known. Pure."""
    terms = PriceTerms(
        size_class=size_class,
        height=question.height,
        width=question.width,
        tier=question.tier,
        task=task,
        plan=plan,
        images=question.images,
        tiles=question.tiles,
    )
    return Priced(
        unit_price=price_of_frame(terms, tariff),
        tariff=tariff.version,
        plan=plan,
        size_class=size_class,
        task=task,
        tiles=question.tiles,
    )
