"""What one frame of a session that is about to open costs its account.

Promises that a model which is not registered, or that the tariff has no price for, is refused
before anything is spent.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.catalog import find_model
from billing.tariff import TARIFF_V1, unit_price
from wire.errors import Rejected
from wire.sessions import OpenSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A session's price, in millitokens a frame, and what it follows from."""

    unit_price: int
    tariff: str


async def price_of(connection: Any, request: OpenSession, now: datetime) -> Priced:
    """Return the price that holds for a session opened `now`; raise `UnknownModel`, `Rejected`."""
    spec = await find_model(connection, request.model)
    if request.task != spec.task:
        raise Rejected(f"model {request.model!r} is for task {spec.task!r}, not {request.task!r}")
    price = unit_price(
        size_class=spec.size_class,
        height=request.height,
        width=request.width,
        tier=request.tier,
        task=request.task,
    )
    return Priced(unit_price=price, tariff=TARIFF_V1.version)
