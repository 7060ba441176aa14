"""Price tables for tests: any that a document can hold."""

from datetime import UTC, datetime
from fractions import Fraction

from hypothesis import strategies as st

from billing.tariff import BatchDiscount, Tariff
from billing.tariff_area import REFERENCE_PIXELS, AreaPoint
from billing.tariff_document import UNIT_PRICE_MAX
from wire.frames import Tier
from wire.models import SIZE_CLASSES, TASKS

factors = st.integers(1, 10**10).map(lambda n: Fraction(n, 10**9))
"""Decimals up to ten, so that no frame is too dear."""
_discounts = st.dictionaries(st.integers(2, 1_000), factors.filter(lambda f: f <= 1), max_size=4)


@st.composite
def area_points(draw: st.DrawFn) -> tuple[AreaPoint, ...]:
    """Draw points that grow in pixels and in factor; the last is no dearer than its area."""
    count = draw(st.integers(1, 5))
    sides = st.integers(1, REFERENCE_PIXELS)
    pixels = sorted(draw(st.lists(sides, min_size=count, max_size=count, unique=True)))
    steps = st.integers(1, 10**9)
    grown = sorted(draw(st.lists(steps, min_size=count, max_size=count, unique=True)))
    pixels[-1] = REFERENCE_PIXELS
    return tuple(
        AreaPoint(pixels=area, factor=Fraction(factor, 10**9))
        for area, factor in zip(pixels, grown, strict=True)
    )


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    """Draw a tariff with the plans `standard` and `gold`."""
    return Tariff(
        version=draw(st.from_regex(r"v[0-9]{1,6}", fullmatch=True)),
        starts_at=draw(st.datetimes(datetime(2026, 2, 1), timezones=st.just(UTC))),  # noqa: DTZ001
        alpha=draw(factors),
        size_factors={name: draw(factors) for name in SIZE_CLASSES},
        task_factors={name: draw(factors) for name in TASKS},
        tier_factors={tier: draw(factors) for tier in Tier},
        batch_discounts=tuple(
            BatchDiscount(from_images=images, factor=factor)
            for images, factor in sorted(draw(_discounts).items())
        ),
        plans={"gold": draw(factors), "standard": Fraction(1)},
        unit_price_min=draw(st.integers(1, UNIT_PRICE_MAX)),
        area_points=draw(st.dictionaries(st.sampled_from(SIZE_CLASSES), area_points(), max_size=2)),
    )
