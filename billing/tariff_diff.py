"""What changes from one tariff to another: the factors, and a frame's price in each size class.

Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from billing.tariff import PriceTerms, Tariff, price_of_frame
from billing.tariff_document import decimal

SIDE = 640
"""Prices are compared for frames of 640x640 px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorChange:
    """A member of the price table that differs; None: the tariff has no such member."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """What a frame of 640x640 px costs before and after, in millitokens."""

    size_class: str
    before: int
    after: int

    @property
    def percent(self) -> Fraction:
        """Return by how much the price changes, in per cent of the one before."""
        return Fraction(100 * (self.after - self.before), self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffDiff:
    """The factors that differ, and the price of every size class that both tariffs know."""

    factors: tuple[FactorChange, ...]
    prices: tuple[PriceChange, ...]


def diff(before: Tariff, after: Tariff) -> TariffDiff:
    """Return what changes from the one tariff to the other; versions and starts are not told."""
    was, becomes = _members(before), _members(after)
    names = [*was, *(name for name in becomes if name not in was)]
    return TariffDiff(
        factors=tuple(
            FactorChange(name=name, before=was.get(name), after=becomes.get(name))
            for name in names
            if was.get(name) != becomes.get(name)
        ),
        prices=tuple(
            PriceChange(size_class=size, before=_price(size, before), after=_price(size, after))
            for size in before.size_factors
            if size in after.size_factors
        ),
    )


def _price(size_class: str, tariff: Tariff) -> int:
    return price_of_frame(PriceTerms(size_class=size_class, height=SIDE, width=SIDE), tariff)


def _members(tariff: Tariff) -> dict[str, str]:
    """Return every number of the table as people read it, by its name."""
    return {
        "alpha": decimal(tariff.alpha),
        **_named("size class", tariff.size_factors),
        **_named("task", tariff.task_factors),
        **_named("tier", {tier.value: factor for tier, factor in tariff.tier_factors.items()}),
        **_named(
            "batch from", {str(each.from_images): each.factor for each in tariff.batch_discounts}
        ),
        **_named("plan", tariff.plans),
        "least price (millitokens)": str(tariff.unit_price_min),
        **{
            f"area {name} at {each.pixels} px": decimal(each.factor)
            for name, points in tariff.area_points.items()
            for each in points
        },
    }


def _named(kind: str, factors: Mapping[str, Fraction]) -> dict[str, str]:
    return {f"{kind} {name}": decimal(factor) for name, factor in factors.items()}
