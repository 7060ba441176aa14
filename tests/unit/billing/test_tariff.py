"""Prices: the published formula, exact, with one rounding point."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.tariff import (
    TARIFF_V1,
    BatchDiscount,
    PriceTerms,
    price_of_frame,
    price_of_tile,
    size_class_of,
    unit_price,
)
from wire.errors import Rejected
from wire.frames import Tier
from wire.models import TASKS
from wire.slicing import TILES_MAX

SIDES = st.integers(1, 128).map(lambda n: n * 32)
CLASSES = st.sampled_from("nsmlx")
BETA = {"n": "0.7", "s": "1.0", "m": "1.8", "l": "2.5", "x": "4.0"}
TIER = {Tier.STANDARD: "1", Tier.PRIORITY: "1.5"}
PLANNED = replace(
    TARIFF_V1,
    batch_discounts=(
        BatchDiscount(from_images=8, factor=Fraction("0.9")),
        BatchDiscount(from_images=32, factor=Fraction("0.75")),
    ),
    plans={"standard": Fraction(1), "gold": Fraction("0.8")},
)


@pytest.mark.parametrize(
    ("size_class", "height", "width", "price"),
    [("l", 960, 960, 5_625), ("n", 640, 640, 700), ("n", 384, 512, 336), ("x", 1280, 1280, 16_000)],
)
def test_published_examples_cost_what_is_published(
    size_class: str, height: int, width: int, price: int
) -> None:
    assert unit_price(size_class=size_class, height=height, width=width) == price


@given(size_class=CLASSES, height=SIDES, width=SIDES, tier=st.sampled_from(Tier))
def test_a_price_is_the_formula_rounded_once_half_up(
    size_class: str, height: int, width: int, tier: Tier
) -> None:
    exact = (
        Decimal(height * width) / Decimal(409_600) * Decimal(BETA[size_class]) * Decimal(TIER[tier])
    )
    rounded = int((exact * 1_000).quantize(Decimal(1), ROUND_HALF_UP))
    price = unit_price(size_class=size_class, height=height, width=width, tier=tier)
    assert price == max(rounded, 10)


@given(size_class=CLASSES, height=SIDES, width=SIDES)
def test_priority_never_costs_less_and_turning_a_picture_changes_nothing(
    size_class: str, height: int, width: int
) -> None:
    price = unit_price(size_class=size_class, height=height, width=width)
    assert price == unit_price(size_class=size_class, height=width, width=height)
    priority = unit_price(size_class=size_class, height=height, width=width, tier=Tier.PRIORITY)
    assert priority >= price >= TARIFF_V1.unit_price_min


def test_half_a_millitoken_is_rounded_up() -> None:
    # 32 x 32 of class x at priority is 15 millitokens; 32 x 96 of class n is 5.25, below the least.
    assert unit_price(size_class="x", height=32, width=32, tier=Tier.PRIORITY) == 15
    assert unit_price(size_class="n", height=32, width=96) == 10
    assert unit_price(size_class="s", height=32, width=160) == 13  # 12.5


@given(
    size_class=CLASSES,
    height=SIDES,
    width=SIDES,
    tier=st.sampled_from(Tier),
    task=st.sampled_from(TASKS),
    images=st.integers(1, 100),
)
def test_tasks_plans_and_batches_multiply_before_the_one_rounding(
    size_class: str, height: int, width: int, tier: Tier, task: str, images: int
) -> None:
    batch = Decimal("0.75" if images >= 32 else "0.9" if images >= 8 else "1")
    area = Decimal(height * width) / Decimal(409_600)
    exact = area * Decimal(BETA[size_class]) * Decimal(TIER[tier]) * batch * Decimal("0.8")
    exact *= Decimal(str(float(TARIFF_V1.task_factors[task])))
    terms = PriceTerms(
        size_class=size_class,
        height=height,
        width=width,
        tier=tier,
        task=task,
        plan="gold",
        images=images,
    )
    rounded = int((exact * 1_000).quantize(Decimal(1), ROUND_HALF_UP))
    assert price_of_frame(terms, PLANNED) == max(rounded, 10)


@given(
    size_class=CLASSES,
    height=SIDES,
    width=SIDES,
    task=st.sampled_from(TASKS),
    tiles=st.integers(1, TILES_MAX),
    images=st.integers(1, 40),
)
def test_a_sliced_frame_costs_exactly_its_tiles(
    size_class: str, height: int, width: int, task: str, tiles: int, images: int
) -> None:
    tile = PriceTerms(
        size_class=size_class, height=height, width=width, task=task, plan="gold", images=images
    )
    whole = replace(tile, tiles=tiles)
    assert price_of_frame(whole, PLANNED) == tiles * price_of_frame(tile, PLANNED)
    assert price_of_tile(whole, PLANNED) == price_of_frame(tile, PLANNED)


@pytest.mark.parametrize(("images", "price"), [(1, 1_000), (7, 1_000), (8, 900), (32, 750)])
def test_the_last_batch_discount_that_fits_holds(images: int, price: int) -> None:
    terms = PriceTerms(size_class="s", height=640, width=640, images=images)
    assert price_of_frame(terms, PLANNED) == price


@pytest.mark.parametrize("changes", [{"plan": "gold"}, {"images": 0}, {"tiles": 0}])
def test_a_plan_that_the_tariff_lacks_is_refused(changes: dict[str, Any]) -> None:
    terms = replace(PriceTerms(size_class="s", height=640, width=640), **changes)
    with pytest.raises(Rejected, match="no price"):
        price_of_frame(terms, TARIFF_V1)


@pytest.mark.parametrize(
    "changes", [{"size_class": "q"}, {"task": "juggle"}, {"height": 0}, {"width": -1}]
)
def test_what_has_no_price_is_refused(changes: dict[str, object]) -> None:
    asked: dict[str, object] = {"size_class": "n", "height": 640, "width": 640}
    with pytest.raises(Rejected, match="no price"):
        unit_price(**(asked | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "size_class"),
    [
        ("yolov8n", "n"),
        ("yolo11x", "x"),
        ("yolov5su", "s"),
        ("yolov8l-seg", "l"),
        ("yolo12m.pt", "m"),
        ("yolov9c", None),
        ("yolon", None),
        ("park-n", None),
        ("notyolov8n", None),
        ("yolov8nano", None),
    ],
)
def test_a_size_class_is_read_from_a_yolo_name_or_not_at_all(
    model: str, size_class: str | None
) -> None:
    assert size_class_of(model) == size_class
