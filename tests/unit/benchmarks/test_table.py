"""Records as tables in the page on performance."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.record import Fields, Machine, Record, to_line
from benchmarks.table import BEGIN, END, NOTHING, PAGE, read, recorded, section, with_section
from wire.errors import Misconfigured

PAGE_TEXT = f"# Performance\n\n{BEGIN}\nold\n{END}\n\nthe end\n"
FRAMES = {"detected": 99, "cached": 0, "failed": 0, "expired": 1, "rejected": 0}


def made(benchmark: str, parameters: Fields, figures: Fields) -> Record:
    """Return a record of one machine."""
    return Record(
        benchmark=benchmark,
        parameters=parameters,
        figures=figures,
        at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        commit="abc1234",
        machine=Machine(cpu="Model | T", cores=2, memory_gib=8.0, python="3.11.7"),
    )


BILLER = made("biller", {"events": 300_000}, {"events_per_second": 98_765, "exact": True})


def test_the_page_shows_the_records_that_the_repository_keeps() -> None:
    page = PAGE.read_text("utf-8")
    wanted = with_section(page, section(read(recorded())))
    assert page == wanted, "run `python -m benchmarks.table`"


def test_writing_the_page_again_changes_nothing() -> None:
    once = with_section(PAGE_TEXT, section([BILLER]))
    assert with_section(once, section([BILLER])) == once
    assert once.startswith("# Performance\n\n")
    assert once.endswith("\n\nthe end\n")
    assert "old" not in once


def test_a_page_without_its_markers_is_left_alone() -> None:
    with pytest.raises(Misconfigured, match="figures: end"):
        with_section(f"# Performance\n{BEGIN}\n", "new")


def test_a_benchmark_has_a_table_with_a_row_a_record() -> None:
    rows = section([BILLER, BILLER]).splitlines()[2:]
    assert len(rows) == 4
    assert rows[2] == rows[3]
    assert rows[2].startswith("| 2026-03-04 | abc1234 | Model / T, 2 cores | 98 765 | - |")
    assert len({row.count("|") for row in rows}) == 1


def test_the_share_of_frames_in_time_is_shown() -> None:
    latency = made("latency", {"load": 0.25}, {"p50_ms": 41.5, "frames": FRAMES, "exact": False})
    (row,) = section([latency]).splitlines()[4:]
    assert "| 25% |" in row
    assert "| 99.0% of 100 |" in row
    assert "| **no** |" in row


def test_a_model_is_shown_with_what_is_unusual_about_it() -> None:
    park = {"model": "park-n", "height": 384, "width": 512, "weights": "trained"}
    made_up = {"model": "yolov8s", "height": 640, "width": 640, "weights": "random weights"}
    figures = {"steady_ms": {"engine": 3.0}, "exact": True}
    shown = section(
        [
            made("waterfall", park | {"engine_setting": "auto"}, figures),
            made("waterfall", park | {"engine_setting": "fake:24"}, figures),
            made("waterfall", made_up, figures),
        ]
    )
    assert "| park-n 384x512 |" in shown
    assert "| park-n 384x512, engine fake:24 |" in shown
    assert "| yolov8s 640x640, random weights |" in shown
    assert "| engine 3.0 |" in shown


def test_without_records_the_page_says_so() -> None:
    assert section([]) == NOTHING


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text(f"{to_line(BILLER)}\n")
    bad.write_text("nonsense\n")
    assert read([good]) == [BILLER]
    with pytest.raises(Misconfigured, match=r"bad\.jsonl: line 1"):
        read([good, bad])
