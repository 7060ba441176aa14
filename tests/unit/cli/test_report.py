"""A report in the terminal has its totals; times and formats that make no sense are refused."""

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from billing import usage_table
from billing.reports import UsageRow
from cli import report
from wire.errors import Misconfigured, Rejected

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def row(stream: str, millitokens: int, adjusted: int = 0) -> UsageRow:
    return UsageRow(
        stream=stream,
        model=None,
        status=None,
        start=NOW,
        frames=2,
        millitokens=millitokens,
        adjusted=adjusted,
    )


def lines(*rows: UsageRow, groups: tuple[str, ...] = ("stream", "day")) -> list[list[str]]:
    """Return the cells of the printed table, line by line."""
    asked = usage_table.period(start=None, end=None, now=NOW)
    console = Console(file=StringIO(), width=100)
    console.print(report.view(usage_table.table(asked, groups, rows)))
    return [
        [cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")]
        for line in console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    ]


def test_the_last_line_sums_up() -> None:
    found = lines(row("gate", 1_500, -20), row("lake", 7))
    assert ["gate", "2026-11-24", "2", "1.500", "-0.020"] in found
    assert ["total", "", "4", "1.507", "-0.020"] in found


def test_nothing_sums_up_to_nothing() -> None:
    assert ["total", "", "0", "0.000", "0.000"] in lines()


def test_hours_are_told_with_their_time() -> None:
    assert ["2026-11-24 12:00", "2", "0.001", "0.000"] in lines(row("a", 1), groups=("hour",))


def test_moments_are_dates_or_times() -> None:
    assert report.parse_moment("") is None
    assert report.parse_moment("2026-11-24T12:00Z") == NOW
    with pytest.raises(Rejected, match="write it as"):
        report.parse_moment("yesterday")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    report.write("a\r\nb", tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_bytes() == b"a\r\nb"
    with pytest.raises(Misconfigured, match=r"nowhere.x.csv cannot be written"):
        report.write("", tmp_path / "nowhere" / "x.csv")
