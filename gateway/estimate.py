"""`GET /yolo/estimate`: what images will cost, before anything is spent.

The price comes from the same function that fixes a session's price, so it is the later charge.
"""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from billing.tariff import unit_price
from gateway.auth import Authenticator
from gateway.bodies import answer
from gateway.models import KnownModels
from gateway.openapi import answers
from gateway.sizes import SIZE_DEFAULT, parse_size
from wire.balances import format_tokens
from wire.errors import Rejected
from wire.frames import Tier
from wire.models import ModelSpec
from wire.names import is_name, name_rule

IMAGES_MAX = 1_000_000_000


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """The price of `images` images of one kind."""

    model: str
    height: int
    width: int
    tier: Tier
    images: int
    unit_tokens: str
    unit_millitokens: int
    tokens: str
    millitokens: int


def router(models: KnownModels, auth: Authenticator) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["detect"])

    @routes.get(
        "/yolo/estimate",
        dependencies=[Depends(auth.requires(None))],
        responses=answers(Estimate),
    )
    async def estimate(
        model: str,
        img_size: str = str(SIZE_DEFAULT),
        images: Annotated[int, Query(ge=1, le=IMAGES_MAX)] = 1,
        tier: Tier = Tier.STANDARD,
    ) -> Response:
        """Tell what images of one size will cost with one model."""
        if not is_name(model):
            raise Rejected(name_rule("model", model))
        size = parse_size(img_size)
        return answer(price(await models.get(model), size=size, tier=tier, images=images))

    return routes


def price(spec: ModelSpec, *, size: tuple[int, int], tier: Tier, images: int) -> Estimate:
    """Return what `images` images of `size` (height, width) cost."""
    height, width = size
    each = unit_price(
        size_class=spec.size_class, height=height, width=width, tier=tier, task=spec.task
    )
    return Estimate(
        model=spec.model,
        height=height,
        width=width,
        tier=tier,
        images=images,
        unit_tokens=format_tokens(each),
        unit_millitokens=each,
        tokens=format_tokens(each * images),
        millitokens=each * images,
    )
