"""What a frame costs: tokens = alpha · (H·W / 640²) · beta(size class) · task · tier.

Pure and exact: fractions all the way, and one rounding point, the unit price, half-up to a
millitoken and at least 0.01 token. Prices are data; a price is never guessed for a model whose
size class is not known.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from types import MappingProxyType

from wire.balances import MILLITOKENS_PER_TOKEN
from wire.errors import Rejected
from wire.frames import Tier

REFERENCE_PIXELS = 640 * 640


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """A dated price table. Factors are exact; the least unit price is in millitokens."""

    version: str
    starts_at: datetime
    alpha: Fraction
    size_factors: Mapping[str, Fraction]
    task_factors: Mapping[str, Fraction]
    tier_factors: Mapping[Tier, Fraction]
    unit_price_min: int


TARIFF_V1 = Tariff(
    version="v1",
    starts_at=datetime(2026, 1, 1, tzinfo=UTC),
    alpha=Fraction(1),
    size_factors=MappingProxyType(
        {
            "n": Fraction("0.7"),
            "s": Fraction("1.0"),
            "m": Fraction("1.8"),
            "l": Fraction("2.5"),
            "x": Fraction("4.0"),
        }
    ),
    task_factors=MappingProxyType({"detect": Fraction(1)}),
    tier_factors=MappingProxyType({Tier.STANDARD: Fraction(1), Tier.PRIORITY: Fraction("1.5")}),
    unit_price_min=10,
)


def unit_price(
    *,
    size_class: str,
    height: int,
    width: int,
    tier: Tier = Tier.STANDARD,
    task: str = "detect",
    tariff: Tariff = TARIFF_V1,
) -> int:
    """Return the price of one frame of `height` x `width` px, in millitokens.

    Raises `Rejected` when the tariff has no price for the size class, task or size.
    """
    if size_class not in tariff.size_factors:
        raise Rejected(f"tariff {tariff.version} has no price for size class {size_class!r}")
    if task not in tariff.task_factors:
        raise Rejected(f"tariff {tariff.version} has no price for task {task!r}")
    if height < 1 or width < 1:
        raise Rejected(f"a frame of {height}x{width} px has no price")
    exact = (
        tariff.alpha
        * Fraction(height * width, REFERENCE_PIXELS)
        * tariff.size_factors[size_class]
        * tariff.task_factors[task]
        * tariff.tier_factors[tier]
        * MILLITOKENS_PER_TOKEN
    )
    return max(_half_up(exact), tariff.unit_price_min)


def _half_up(amount: Fraction) -> int:
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)


_YOLO = re.compile(r"yolov?\d{1,2}([nsmlx])u?(?:[-.].*)?")


def size_class_of(model: str) -> str | None:
    """Return the size class that a YOLO model's name tells (`yolo11n`, `yolov8x-seg`), or None."""
    match = _YOLO.fullmatch(model)
    return match.group(1) if match else None
