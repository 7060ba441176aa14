"""Records survive their way through a JSON line."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from benchmarks.record import Machine, Measured, from_lines, record, to_line
from wire.errors import Misconfigured

MACHINE = Machine(cpu="Model T", cores=2, memory_gib=7.8, python="3.11.7")
MEASURED = Measured(benchmark="biller", parameters={"events": 3}, figures={"exact": True})
AT = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)


def test_a_record_comes_back_from_its_line() -> None:
    made = record(MEASURED, at=AT, commit="abc1234", machine=MACHINE)
    assert from_lines(f"{to_line(made)}\n{to_line(made)}\n") == [made, made]


def test_a_record_is_one_line_and_says_when_to_the_second_in_utc() -> None:
    line = to_line(record(MEASURED, at=AT, commit="abc1234", machine=MACHINE))
    assert "\n" not in line
    assert '"at":"2026-03-04T05:06:07Z"' in line


def test_a_record_of_another_zone_is_told_in_utc() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=2)))
    made = record(MEASURED, at=elsewhere, commit="abc1234", machine=MACHINE)
    assert made == record(MEASURED, at=AT, commit="abc1234", machine=MACHINE)
    assert '"at":"2026-03-04T05:06:07Z"' in to_line(made)


def test_a_line_that_is_no_record_is_named() -> None:
    good = to_line(record(MEASURED, at=AT, commit="abc1234", machine=MACHINE))
    with pytest.raises(Misconfigured, match="line 2"):
        from_lines(f'{good}\n{{"benchmark": "biller"}}\n')
