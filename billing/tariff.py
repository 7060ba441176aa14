"""What a frame costs: alpha · area · size class · task · tier · plan · batch, in tokens.

The area factor is H·W / 640² unless the tariff has points for the size class (`tariff_area`).
Pure and exact: fractions all the way, and one rounding point, the price of a tile, half-up to a
millitoken and at least the tariff's minimum; a frame costs tiles times that, and has one unless it
is sliced. Prices are data; a price is never guessed for a size class, task or plan that the tariff
does not name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from types import MappingProxyType

from billing.tariff_area import AreaPoint, area_factor
from wire.balances import MILLITOKENS_PER_TOKEN
from wire.errors import Rejected
from wire.frames import Tier

STANDARD_PLAN = "standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDiscount:
    """The factor for images of which at least `from_images` come at once."""

    from_images: int
    factor: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """A dated price table. Factors are exact; the least unit price is in millitokens.

    `batch_discounts` grow in `from_images`; the last one that fits holds. `area_points`, by size
    class, grow in pixels and factor; a class without points costs as its area.
    """

    version: str
    starts_at: datetime
    alpha: Fraction
    size_factors: Mapping[str, Fraction]
    task_factors: Mapping[str, Fraction]
    tier_factors: Mapping[Tier, Fraction]
    batch_discounts: tuple[BatchDiscount, ...]
    plans: Mapping[str, Fraction]
    unit_price_min: int
    area_points: Mapping[str, tuple[AreaPoint, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTerms:
    """All that a frame's price depends on, beside the tariff.

    `height` and `width` are the inference size in pixels, of each of its `tiles`.
    """

    size_class: str
    height: int
    width: int
    tier: Tier = Tier.STANDARD
    task: str = "detect"
    plan: str = STANDARD_PLAN
    images: int = 1
    tiles: int = 1


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
    task_factors=MappingProxyType(
        {
            "detect": Fraction(1),
            "segment": Fraction("1.5"),
            "pose": Fraction("1.1"),
            "classify": Fraction("0.5"),
            "obb": Fraction("1.1"),
        }
    ),
    tier_factors=MappingProxyType({Tier.STANDARD: Fraction(1), Tier.PRIORITY: Fraction("1.5")}),
    batch_discounts=(),
    plans=MappingProxyType({STANDARD_PLAN: Fraction(1)}),
    unit_price_min=10,
)


def price_of_frame(terms: PriceTerms, tariff: Tariff) -> int:
    """Return the price of one frame on these terms, in millitokens: tiles times a tile's price.

    Raises `Rejected` when the tariff has no price for the size class, task, plan or size.
    """
    if terms.tiles < 1:
        raise Rejected(f"a frame of {terms.tiles} tiles has no price")
    return terms.tiles * price_of_tile(terms, tariff)


def price_of_tile(terms: PriceTerms, tariff: Tariff) -> int:
    """Return the price of one tile of a frame on these terms, in millitokens, rounded here."""
    if terms.height < 1 or terms.width < 1:
        raise Rejected(f"a frame of {terms.height}x{terms.width} px has no price")
    if terms.images < 1:
        raise Rejected(f"{terms.images} images at once have no price")
    exact = (
        tariff.alpha
        * area_factor(tariff.area_points.get(terms.size_class, ()), terms.height * terms.width)
        * _factor(tariff, "size class", tariff.size_factors, terms.size_class)
        * _factor(tariff, "task", tariff.task_factors, terms.task)
        * _factor(tariff, "plan", tariff.plans, terms.plan)
        * tariff.tier_factors[terms.tier]
        * batch_factor(tariff, terms.images)
        * MILLITOKENS_PER_TOKEN
    )
    return max(_half_up(exact), tariff.unit_price_min)


def unit_price(
    *,
    size_class: str,
    height: int,
    width: int,
    tier: Tier = Tier.STANDARD,
    task: str = "detect",
    tariff: Tariff = TARIFF_V1,
) -> int:
    """Return the price of a frame that comes alone, on the standard plan, in millitokens.

    Raises `Rejected` when the tariff has no price for the size class, task or size.
    """
    terms = PriceTerms(size_class=size_class, height=height, width=width, tier=tier, task=task)
    return price_of_frame(terms, tariff)


def batch_factor(tariff: Tariff, images: int) -> Fraction:
    """Return the factor for `images` that come at once: the last discount that fits, or 1."""
    fitting = [each.factor for each in tariff.batch_discounts if each.from_images <= images]
    return fitting[-1] if fitting else Fraction(1)


def _factor(tariff: Tariff, kind: str, factors: Mapping[str, Fraction], name: str) -> Fraction:
    if name not in factors:
        raise Rejected(
            f"tariff {tariff.version} has no price for {kind} {name[:80]!r},"
            f" only for {' '.join(sorted(factors))}"
        )
    return factors[name]


def _half_up(amount: Fraction) -> int:
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)


_YOLO = re.compile(r"yolov?\d{1,2}([nsmlx])u?(?:[-.].*)?")


def size_class_of(model: str) -> str | None:
    """Return the size class that a YOLO model's name tells (`yolo11n`, `yolov8x-seg`), or None."""
    match = _YOLO.fullmatch(model)
    return match.group(1) if match else None
