"""Archives without pyarrow, and files that are none of ours."""

import sys
from pathlib import Path

import pytest

from billing import parquet
from wire.errors import Misconfigured, Rejected


def test_without_pyarrow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(Misconfigured, match=r"framemeter\[archive\]"):
        parquet.require()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "2026-01-01.parquet"
    path.write_bytes(b"text")
    with pytest.raises(Rejected, match="cannot be read"):
        parquet.metadata_of(path)
    with parquet.writing(path, "transfer") as sink:
        sink.add({"position": 1})
    with pytest.raises(Rejected, match="not written by"):
        parquet.metadata_of(path)


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "2026-01-01.parquet"
    with pytest.raises(Rejected), parquet.writing(path, "transfer") as sink:
        sink.add({"position": 1})
        raise Rejected("the ledger says no")
    assert list(path.parent.iterdir()) == []


def test_rows_come_back_in_order_over_several_groups(tmp_path: Path) -> None:
    path = tmp_path / "2026-01-01.parquet"
    count = parquet.ROWS_PER_GROUP * 2 + 1
    with parquet.writing(path, "usage") as sink:
        for number in range(count):
            sink.add({"offset": number})
        sink.describe({"kind": "usage"})
    assert sink.rows == count
    assert [row["offset"] for row in parquet.rows_of(path, ("offset",))] == list(range(count))
