"""From costs to a tariff: as few numbers as they ask for, and every price near its cost."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.tariff import TARIFF_V1, Tariff
from billing.tariff_document import decode, encode
from cli.calibration.costs import Cost
from cli.calibration.proposal import PROMISED, TOLERANCE, error, propose

STARTS_AT = datetime(2027, 1, 1, tzinfo=UTC)
SIZES = [(320, 320), (384, 640), (640, 640), (736, 1280), (960, 960)]


def cost(relative: float, size: tuple[int, int] = (640, 640), **changes: str) -> Cost:
    """Return a measured cost without doubt."""
    made = Cost(
        model="m",
        size_class="s",
        task="detect",
        height=size[0],
        width=size[1],
        batch=8,
        seconds=relative / 20,
        relative=relative,
        doubt=0.01,
        random_weights=True,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def proposal(*costs: Cost, base: Tariff = TARIFF_V1) -> Tariff:
    """Return the tariff that follows."""
    return propose(base, costs, version="measured", starts_at=STARTS_AT)


def test_costs_that_follow_the_area_give_one_factor_and_leave_the_rest() -> None:
    areas = [h * w / 640**2 for h, w in SIZES]
    costs = [cost(0.43 * a, size, size_class="n") for a, size in zip(areas, SIZES, strict=True)]
    made = proposal(*costs)
    assert made.size_factors == {**TARIFF_V1.size_factors, "n": Fraction("0.43")}
    assert (made.area_points, made.task_factors) == ({}, TARIFF_V1.task_factors)
    assert (made.plans, made.tier_factors) == (TARIFF_V1.plans, TARIFF_V1.tier_factors)


def test_a_fixed_cost_of_every_frame_takes_two_points() -> None:
    costs = [cost(0.1 + 0.9 * h * w / 640**2, (h, w)) for h, w in SIZES]
    made = proposal(*costs)
    assert [point.pixels for point in made.area_points["s"]] == [102_400, 736 * 1280]
    assert made.size_factors["s"] == 1
    assert all(abs(error(made, each, base=TARIFF_V1)) < TOLERANCE for each in costs)


@settings(max_examples=60)
@given(
    st.lists(st.floats(0.7, 1.3), min_size=5, max_size=5),
    st.lists(st.floats(0.7, 1.3), min_size=5, max_size=5),
)
def test_whatever_grows_with_the_pixels_is_priced_within_what_is_promised(
    first: list[float], second: list[float]
) -> None:
    costs = []
    for size_class, scale, wobble in (("n", 0.43, first), ("x", 7.7, second)):
        spent = 0.0
        for factor, (height, width) in sorted(
            zip(wobble, SIZES, strict=True), key=lambda each: each[1][0] * each[1][1]
        ):
            spent = max(spent * 1.01, scale * factor * height * width / 640**2)
            costs.append(cost(spent, (height, width), size_class=size_class))
    made = proposal(*costs)
    assert max(abs(error(made, each, base=TARIFF_V1)) for each in costs) <= PROMISED
    assert decode(encode(made)) == made


def test_the_reference_keeps_its_price_whatever_the_tariff_before() -> None:
    dear = replace(
        TARIFF_V1, alpha=Fraction(3), size_factors={**TARIFF_V1.size_factors, "s": Fraction(2)}
    )
    made = proposal(cost(1.0), cost(0.5, size_class="n"), base=dear)
    assert (made.alpha, made.size_factors["s"], made.size_factors["n"]) == (3, 2, 1)
    assert error(made, cost(0.5, size_class="n"), base=dear) == 0
    assert error(dear, cost(0.5, size_class="n"), base=dear) == Fraction(-3, 10)


def test_a_task_is_priced_by_what_it_costs_beside_detection() -> None:
    segment = cost(0.6, size_class="n", task="segment")
    made = proposal(cost(1.0), cost(0.5, size_class="n"), segment)
    assert made.task_factors == {**TARIFF_V1.task_factors, "segment": Fraction("1.2")}
    assert abs(error(made, segment, base=TARIFF_V1)) < Fraction(1, 1000)


@pytest.mark.parametrize(("other", "fits"), [(0.54, True), (0.60, False)])
def test_two_models_of_a_class_share_a_price_between_them(other: float, fits: bool) -> None:
    costs = (cost(0.5, size_class="n"), cost(other, size_class="n"))
    off = [error(proposal(*costs), each, base=TARIFF_V1) for each in costs]
    assert float(off[0]) == pytest.approx(-float(off[1]), abs=0.003)
    assert (max(off) <= PROMISED) is fits
