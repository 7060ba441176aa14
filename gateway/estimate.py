"""`GET /yolo/estimate`: what images will cost, before anything is spent.

The price comes from the same function that fixes a session's price, under the tariff in force and
the caller's plan, so it is the later charge.
"""

from typing import Annotated, Protocol

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from billing.keys import Caller
from billing.pricing import Priced, Question
from gateway.auth import Authenticator, account_of
from gateway.bodies import answer
from gateway.openapi import answers
from gateway.sizes import SIZE_DEFAULT, parse_size
from wire import slicing
from wire.balances import format_tokens
from wire.errors import Rejected
from wire.frames import Tier
from wire.names import is_name, name_rule
from wire.sessions import BATCH_IMAGES_MAX
from wire.slicing import Slices

IMAGES_MAX = 1_000_000_000


class PriceBook(Protocol):
    """Where prices are asked for (`billing.pricing.Prices`)."""

    async def quote(self, question: Question) -> Priced:
        """Return what a session opened now would cost a frame."""
        ...


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """The price of `images` images of one kind, `batch_images` of them at once.

    An image that is cut into `slices` has `tiles`, of `height` x `width` each, and costs as much.
    """

    model: str
    height: int
    width: int
    tier: Tier
    task: str
    slices: Slices | None
    tiles: int
    tile_millitokens: int
    images: int
    batch_images: int
    tariff: str
    plan: str
    unit_tokens: str
    unit_millitokens: int
    tokens: str
    millitokens: int


def router(prices: PriceBook, auth: Authenticator) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["detect"])

    @routes.get("/yolo/estimate", responses=answers(Estimate))
    async def estimate(  # noqa: PLR0913  (its parameters are the query's)
        caller: Annotated[Caller, Depends(auth.requires(None))],
        model: str,
        img_size: str = str(SIZE_DEFAULT),
        images: Annotated[int, Query(ge=1, le=IMAGES_MAX)] = 1,
        batch_images: Annotated[int, Query(ge=1, le=BATCH_IMAGES_MAX)] = 1,
        tier: Tier = Tier.STANDARD,
        task: str | None = None,
        account: str | None = None,
        slices: str | None = None,
    ) -> Response:
        """Tell what images of one size will cost with one model; an operator may name an account.

        `batch_images` is how many come in one call; without it, one. `slices` is written
        ROWSxCOLUMNSxOVERLAP, such as 2x3x0.2.
        """
        if not is_name(model):
            raise Rejected(name_rule("model", model))
        height, width = parse_size(img_size)
        question = Question(
            model=model,
            height=height,
            width=width,
            tier=tier,
            account=_payer(caller, account),
            task=task,
            images=batch_images,
            slices=None if slices is None else slicing.check(slicing.parse(slices), height, width),
        )
        return answer(estimate_of(question, await prices.quote(question), images=images))

    return routes


def _payer(caller: Caller, asked: str | None) -> str | None:
    """Return whose plan holds; an operator who names nobody is told the standard plan's price."""
    if caller.account is None and asked is None:
        return None
    return account_of(caller, asked)


def estimate_of(question: Question, priced: Priced, *, images: int) -> Estimate:
    """Return what `images` images cost at this price."""
    return Estimate(
        model=question.model,
        height=question.height,
        width=question.width,
        tier=question.tier,
        task=priced.task,
        slices=question.slices,
        tiles=priced.tiles,
        tile_millitokens=priced.tile_price,
        images=images,
        batch_images=question.images,
        tariff=priced.tariff,
        plan=priced.plan,
        unit_tokens=format_tokens(priced.unit_price),
        unit_millitokens=priced.unit_price,
        tokens=format_tokens(priced.unit_price * images),
        millitokens=priced.unit_price * images,
    )
