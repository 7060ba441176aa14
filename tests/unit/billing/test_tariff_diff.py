"""The difference of two tariffs: nothing between equals, every number that differs by its name."""

from dataclasses import replace
from fractions import Fraction

from billing.tariff import TARIFF_V1, BatchDiscount
from billing.tariff_area import AreaPoint
from billing.tariff_diff import FactorChange, PriceChange, diff
from wire.frames import Tier

DEARER = replace(
    TARIFF_V1,
    version="v2",
    size_factors={**TARIFF_V1.size_factors, "n": Fraction("0.77")},
    tier_factors={Tier.STANDARD: Fraction(1), Tier.PRIORITY: Fraction(2)},
    batch_discounts=(BatchDiscount(from_images=8, factor=Fraction("0.9")),),
    plans={"standard": Fraction(1), "gold": Fraction("0.8")},
    unit_price_min=20,
    area_points={"s": (AreaPoint(pixels=102_400, factor=Fraction("0.3")),)},
)


def test_equal_tables_differ_in_nothing() -> None:
    found = diff(TARIFF_V1, replace(TARIFF_V1, version="other"))
    assert found.factors == ()
    assert {price.percent for price in found.prices} == {0}


def test_each_number_that_differs_is_told_with_what_it_was() -> None:
    found = diff(TARIFF_V1, DEARER)
    assert found.factors == (
        FactorChange(name="size class n", before="0.7", after="0.77"),
        FactorChange(name="tier priority", before="1.5", after="2"),
        FactorChange(name="least price (millitokens)", before="10", after="20"),
        FactorChange(name="batch from 8", before=None, after="0.9"),
        FactorChange(name="plan gold", before=None, after="0.8"),
        FactorChange(name="area s at 102400 px", before=None, after="0.3"),
    )
    assert found.prices[0] == PriceChange(size_class="n", before=700, after=770)
    assert [price.percent for price in found.prices] == [10, 20, 0, 0, 0]


def test_the_way_back_tells_the_same_the_other_way_round() -> None:
    there, back = diff(TARIFF_V1, DEARER), diff(DEARER, TARIFF_V1)
    assert {(c.name, c.before, c.after) for c in there.factors} == {
        (c.name, c.after, c.before) for c in back.factors
    }
