"""Which days `framemeter export` takes."""

from datetime import date, datetime

import pytest

from cli.archive import chosen_days
from wire.errors import Rejected

TODAY = date(2026, 3, 1)


def moment(text: str | None) -> datetime | None:
    return datetime.strptime(text, "%Y-%m-%d") if text else None  # noqa: DTZ007  (as typer does)


@pytest.mark.parametrize(
    ("day", "first", "last", "expected"),
    [
        (None, None, None, ["2026-02-28"]),
        ("2026-03-01", None, None, ["2026-03-01"]),
        (None, "2026-02-27", "2026-03-01", ["2026-02-27", "2026-02-28", "2026-03-01"]),
    ],
)
def test_days_are_chosen(
    day: str | None, first: str | None, last: str | None, expected: list[str]
) -> None:
    days = chosen_days(moment(day), moment(first), moment(last), today=TODAY)
    assert [each.isoformat() for each in days] == expected


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        ("2026-03-02", None, None),
        (None, "2026-02-27", None),
        (None, None, "2026-02-27"),
        (None, "2026-02-27", "2026-02-26"),
        (None, "1990-01-01", "2026-02-26"),
        ("2026-02-26", "2026-02-26", "2026-02-27"),
    ],
)
def test_days_that_cannot_be_are_refused(
    day: str | None, first: str | None, last: str | None
) -> None:
    with pytest.raises(Rejected):
        chosen_days(moment(day), moment(first), moment(last), today=TODAY)
