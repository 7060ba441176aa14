"""The command's decisions: sizes, what is shown, and when a proposal may be written."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from billing.tariff import TARIFF_V1
from billing.tariff_document import decode, encode
from billing.tariffs import check_new
from cli.calibrate import dated, faults_of, parse_sizes
from cli.calibration.tables import of_costs
from tests.unit.cli.calibration.test_proposal import cost
from wire.errors import Rejected

NOW = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)


def test_sizes_are_listed_with_commas_and_checked() -> None:
    assert parse_sizes("320, 384x640,320") == ((320, 320), (384, 640))
    with pytest.raises(Rejected, match="321x321 is not possible"):
        parse_sizes("640,321")


def test_a_proposal_is_a_tariff_that_may_be_added_and_starts_the_next_day() -> None:
    costs = [cost(1.0), cost(0.31, (320, 320)), cost(0.43, size_class="n")]
    proposed = dated(TARIFF_V1, costs, NOW)
    assert faults_of(costs, proposed, TARIFF_V1) == []
    check_new(decode(encode(proposed)), [TARIFF_V1], NOW)
    assert proposed.starts_at == datetime(2026, 11, 25, tzinfo=UTC)
    assert proposed.version == "measured-20261124-1530"


def test_noise_and_prices_that_cannot_fit_are_named() -> None:
    costs = [replace(cost(1.0), doubt=0.08), cost(0.4, size_class="n"), cost(0.5, size_class="n")]
    noisy, far = faults_of(costs, dated(TARIFF_V1, costs, NOW), TARIFF_V1)
    assert "m 640x640 ± 8 %" in noisy
    assert "m 640x640 +11 %, m 640x640 -11 %" in far


def test_each_cost_is_shown_beside_both_prices_and_their_errors() -> None:
    costs = [cost(1.0), replace(cost(0.5, size_class="n"), doubt=0.2)]
    view = of_costs(costs, base=TARIFF_V1, proposed=dated(TARIFF_V1, costs, NOW), engine="fake")
    text = io.StringIO()
    Console(file=text, width=160).print(view)
    lines = [" ".join(line.replace("│", " ").split()) for line in text.getvalue().splitlines()]
    row = "m * 640x640 8 25.0 40.0 0.500 20.0 % noisy 0.700 +40.0 % 0.500 +0.0 %"
    assert row in lines
    assert any("random weights" in line for line in lines)
