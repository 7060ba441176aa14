"""What is shown of tariffs and corrections: prices, factors, sums over all lines."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from rich.console import Console
from rich.table import Table

from billing.rerating import Line
from billing.tariff import TARIFF_V1, BatchDiscount
from billing.tariff_diff import diff
from cli import tariff_tables
from cli.rerate import moment
from wire.errors import Rejected

HOUR = datetime(2026, 3, 4, 5, tzinfo=UTC)
NEXT = replace(
    TARIFF_V1,
    version="v2",
    size_factors={**TARIFF_V1.size_factors, "n": Fraction("0.75")},
    batch_discounts=(BatchDiscount(from_images=8, factor=Fraction("0.9")),),
)


def shown(*views: Table) -> list[str]:
    """Return the lines that a person sees, their cells without frames."""
    text = io.StringIO()
    for view in views:
        Console(file=text, width=160).print(view)
    return [" ".join(line.replace("│", " ").split()) for line in text.getvalue().splitlines()]


def test_a_tariff_shows_prices_by_size_and_class_and_every_factor() -> None:
    lines = shown(*tariff_tables.of_tariff(NEXT))
    assert "960x960 1.688 2.250 4.050 5.625 9.000" in lines
    assert "384x640 0.450 0.600 1.080 1.500 2.400" in lines
    for line in ("task segment 1.5", "tier priority 1.5", "plan standard 1"):
        assert line in lines
    assert "from 8 images at once 0.9" in lines


def test_the_tariff_in_force_is_marked() -> None:
    lines = shown(tariff_tables.of_all([TARIFF_V1, NEXT], in_force="v1"))
    assert "v1 2026-01-01 00:00:00 in force standard 1.000" in lines
    assert [line for line in lines if "in force" in line and "v2" in line] == []


def test_a_difference_shows_factors_and_price_changes_in_per_cent() -> None:
    lines = shown(*tariff_tables.of_diff(diff(TARIFF_V1, NEXT), before="v1", after="v2"))
    for line in ("size class n 0.7 0.75", "batch from 8 none 0.9", "n 0.700 0.750 +7.1 %"):
        assert line in lines
    assert "x 4.000 4.000 same" in lines


def test_a_long_correction_is_cut_short_but_its_sums_are_of_all_lines() -> None:
    count = tariff_tables.LINES_SHOWN_MAX + 20
    made = [
        Line(
            stream="gate",
            epoch=1,
            hour=HOUR + number * timedelta(hours=1),
            frames=10,
            charged=10_000,
            due=5_000,
        )
        for number in range(count)
    ]
    lines = shown(tariff_tables.of_lines(made, title="Correction"))
    assert "gate/1 2026-03-04 05:00 10 10.000 5.000 -5.000" in lines
    assert "1 200 1200.000 600.000 -600.000" in lines
    assert sum(line.startswith("gate/1") for line in lines) == tariff_tables.LINES_SHOWN_MAX
    assert any("20 lines more" in line for line in lines)


@pytest.mark.parametrize("text", ["2026-03-04T05:00", "2026-03-04T05Z", "2026-03-04T06:00+01:00"])
def test_a_time_without_a_zone_is_utc(text: str) -> None:
    assert moment(text) == HOUR


@pytest.mark.parametrize("text", ["", "yesterday", "0001-01-01T00:00+10:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="is not a time"):
        moment(text)
