"""What a frame must cost, from the published formula and nothing else.

tokens = alpha · (H·W / 640²) · size class · task · tier · plan · batch; in millitokens, rounded
half-up once, at least the tariff's minimum. The first tariff is written down here again; of later
ones the document in the ledger is what was published.
"""

import json
from collections.abc import Mapping
from fractions import Fraction
from math import floor
from typing import Any

from tests.torture.checker.ledger import Row

V1: Mapping[str, Any] = {
    "alpha": "1",
    "size_factors": {"n": "0.7", "s": "1.0", "m": "1.8", "l": "2.5", "x": "4.0"},
    "task_factors": {
        "detect": "1",
        "segment": "1.5",
        "pose": "1.1",
        "classify": "0.5",
        "obb": "1.1",
    },
    "tier_factors": {"standard": "1", "priority": "1.5"},
    "batch_discounts": [],
    "plans": {"standard": "1"},
    "unit_price_min": 10,
}


class NoPrice(Exception):
    """The tariff has no price for such a session."""


def documents(tariffs: tuple[Row, ...]) -> dict[str, Mapping[str, Any]]:
    """Return every tariff by its version; the first one as it was published."""
    return {row["version"]: json.loads(row["text"]) for row in tariffs} | {"v1": V1}


def price_of(session: Row, size_class: str, tariff: Mapping[str, Any]) -> int:
    """Return the price in millitokens of one frame of a session; raise `NoPrice`."""
    try:
        exact = (
            Fraction(tariff["alpha"])
            * Fraction(session["height"] * session["width"], 640 * 640)
            * Fraction(tariff["size_factors"][size_class])
            * Fraction(tariff["task_factors"][session["task"]])
            * Fraction(tariff["tier_factors"][session["tier"]])
            * Fraction(tariff["plans"][session["plan"]])
            * _batch_factor(tariff, session["batch_images"])
            * 1000
        )
    except KeyError as error:
        raise NoPrice(f"there is no factor for {error}") from error
    return max(floor(exact + Fraction(1, 2)), int(tariff["unit_price_min"]))


def _batch_factor(tariff: Mapping[str, Any], images: int) -> Fraction:
    """Return the factor of the largest discount that so many images reach."""
    reached = [it for it in tariff["batch_discounts"] if it["from_images"] <= images]
    if not reached:
        return Fraction(1)
    return Fraction(max(reached, key=lambda it: it["from_images"])["factor"])
