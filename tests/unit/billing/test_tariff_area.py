"""Area factors: the published law without points, through every point, always growing."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.tariff import TARIFF_V1, unit_price
from billing.tariff_area import REFERENCE_PIXELS, AreaPoint, area_factor
from tests.unit.billing.price_tables import area_points

PIXELS = st.integers(1, 4096 * 4096)
SMALL, LARGE = (
    AreaPoint(pixels=102_400, factor=Fraction("0.3")),
    AreaPoint(pixels=409_600, factor=Fraction("0.9")),
)


@given(pixels=PIXELS)
def test_without_points_or_with_the_reference_alone_the_factor_is_the_area(pixels: int) -> None:
    exact = Fraction(pixels, REFERENCE_PIXELS)
    assert area_factor((), pixels) == exact
    assert area_factor((AreaPoint(pixels=REFERENCE_PIXELS, factor=Fraction(1)),), pixels) == exact


@given(points=area_points(), pixels=PIXELS, more=PIXELS)
def test_a_larger_frame_always_costs_more_and_points_are_met_exactly(
    points: tuple[AreaPoint, ...], pixels: int, more: int
) -> None:
    assert 0 < area_factor(points, pixels) < area_factor(points, pixels + more)
    assert all(area_factor(points, each.pixels) == each.factor for each in points)


@pytest.mark.parametrize(
    ("height", "width", "price"),
    [(160, 320, 150), (320, 320, 300), (400, 640, 600), (640, 640, 900), (640, 1280, 1_800)],
)
def test_prices_run_straight_between_points_and_in_proportion_outside(
    height: int, width: int, price: int
) -> None:
    tariff = replace(TARIFF_V1, area_points={"s": (SMALL, LARGE)})
    assert unit_price(size_class="s", height=height, width=width, tariff=tariff) == price
    before = unit_price(size_class="n", height=height, width=width)
    assert unit_price(size_class="n", height=height, width=width, tariff=tariff) == before
