"""A question about usage and its answer as a table: one form for HTTP and for the command line.

JSON and CSV have the same members in the same order. CSV cells are names, numbers and times
alone; none of them can begin with what a spreadsheet takes for a formula, save a minus of a number.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from billing.reports import GROUPS, UsageRow
from wire.balances import format_tokens
from wire.clock import in_utc
from wire.errors import Rejected

GROUPS_DEFAULT = "stream,status"
FIGURES = ("frames", "tokens", "millitokens", "adjusted", "adjusted_millitokens")
RANGE_DEFAULT = timedelta(days=1)
RANGE_DAYS_MAX = 400
YEARS = range(2000, 2200)
"""Far from both ends of the calendar, where hours and days cannot be counted on."""

Member = str | int | datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Moments from `start` on and before `end`, in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTable:
    """An answered question; each row has the members `columns`."""

    period: Period
    group_by: tuple[str, ...]
    rows: list[dict[str, Member]]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of a row's members, in their order."""
        return (*self.group_by, *FIGURES)


def period(*, start: datetime | None, end: datetime | None, now: datetime) -> Period:
    """Return the checked range, the last day if not told; moments without a zone are UTC."""
    if any(moment is not None and moment.year not in YEARS for moment in (start, end)):
        raise Rejected(f"from and to must lie in the years {YEARS[0]} to {YEARS[-1]}")
    until = now if end is None else _aware(end)
    since = until - RANGE_DEFAULT if start is None else _aware(start)
    if not timedelta(0) < until - since <= timedelta(days=RANGE_DAYS_MAX):
        raise Rejected(f"from must be before to, by at most {RANGE_DAYS_MAX} days")
    return Period(start=since, end=until)


def groups(text: str) -> tuple[str, ...]:
    """Return the groups of a text such as `stream,hour`; raise `Rejected`."""
    named = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not named or not set(named) <= set(GROUPS):
        raise Rejected(f"group_by is one or more of {','.join(GROUPS)}")
    if {"hour", "day"} <= set(named):
        raise Rejected("group_by takes hour or day, not both")
    return named


def table(asked: Period, group_by: tuple[str, ...], rows: Sequence[UsageRow]) -> UsageTable:
    """Return the rows with the groups that were asked for, by their names."""
    return UsageTable(
        period=asked, group_by=group_by, rows=[_members(row, group_by) for row in rows]
    )


def as_json(answered: UsageTable) -> bytes:
    """Return the table as a JSON object."""
    return msgspec.json.encode(
        {
            "from": answered.period.start,
            "to": answered.period.end,
            "group_by": answered.group_by,
            "rows": answered.rows,
        }
    )


def as_csv(answered: UsageTable) -> str:
    """Return the table as CSV with a header line."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(answered.columns)
    writer.writerows([_cell(value) for value in row.values()] for row in answered.rows)
    return text.getvalue()


def _members(row: UsageRow, group_by: Sequence[str]) -> dict[str, Member]:
    members: dict[str, Member] = {
        name: row.start if name in ("hour", "day") else getattr(row, name) for name in group_by
    }
    members["frames"] = row.frames
    members["tokens"] = format_tokens(row.millitokens)
    members["millitokens"] = row.millitokens
    members["adjusted"] = format_tokens(row.adjusted)
    members["adjusted_millitokens"] = row.adjusted
    return members


def _cell(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else in_utc(moment)
