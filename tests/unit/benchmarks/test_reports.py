"""What the benchmark of reports says of its figures, and when its books are right."""

from dataclasses import replace

from benchmarks import month
from benchmarks.reports import GROUPINGS, figures, is_exact, name_of
from billing.reports import GROUPS
from tests.unit.billing.statement.made import GATE, made


def test_groupings_are_ones_that_reports_know_and_have_names_of_their_own() -> None:
    assert {group for grouping in GROUPINGS for group in grouping} <= set(GROUPS)
    assert len({name_of(grouping) for grouping in GROUPINGS}) == len(GROUPINGS)


def test_the_slowest_is_the_slowest_of_all() -> None:
    assert figures({"total": 1.0, "day": 5.0}, {"total": 7.5})["slowest_ms"] == 7.5


def test_the_books_are_right_when_all_that_was_charged_is_missing_from_the_balance() -> None:
    cost = month.charged_millitokens()
    movement = replace(
        made().movement, opening=0, topups=month.TOPPED_UP, charges=cost, adjustments=0
    )
    contracts = (replace(GATE, millitokens=cost),)
    assert is_exact(made(movement=movement, contracts=contracts))
    assert not is_exact(made(movement=replace(movement, charges=cost - 1), contracts=contracts))
    assert not is_exact(made(movement=movement))
