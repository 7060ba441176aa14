"""`python -m benchmarks.table [FILE.jsonl ...]`: shows records in docs/performance.md.

What stands between the page's two markers is replaced, so writing it again changes nothing.
Without a file, all of benchmarks/results are shown.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.machine import ROOT
from benchmarks.record import Fields, Record, from_lines
from cli import terminal
from wire.errors import FramemeterError, Misconfigured

PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "benchmarks" / "results"
BEGIN = "<!-- figures: begin, written by python -m benchmarks.table -->"
END = "<!-- figures: end -->"
NOTHING = "No figures are recorded."

Column = tuple[str, Callable[[Record], object]]


def _parameter(name: str) -> Callable[[Record], object]:
    return lambda made: made.parameters.get(name)


def _figure(name: str) -> Callable[[Record], object]:
    return lambda made: made.figures.get(name)


def _grouping(name: str) -> Callable[[Record], object]:
    return lambda made: made.figures["whole_hours_ms"][name]


def _load(made: Record) -> str:
    return f"{made.parameters['load']:.0%}"


def _detected(made: Record) -> str:
    frames: Fields = made.figures["frames"]
    total = sum(frames.values())
    return f"{frames['detected'] / total:.1%} of {total}" if total else "none"


SHARED: tuple[Column, ...] = (
    ("date", lambda made: made.at.date()),
    ("commit", lambda made: made.commit),
    ("machine", lambda made: f"{made.machine.cpu}, {made.machine.cores} cores"),
)
TABLES: dict[str, tuple[str, tuple[Column, ...]]] = {
    "latency": (
        "Latency, from capture to committed detection (ms)",
        (
            ("load", _load),
            ("frames/s", _parameter("rate_per_second")),
            ("p50", _figure("p50_ms")),
            ("p95", _figure("p95_ms")),
            ("p99", _figure("p99_ms")),
            ("inference", _figure("inference_ms")),
            ("p50 - inference", _figure("p50_minus_inference_ms")),
            ("detected in time", _detected),
            ("engine", _figure("engine")),
            ("charged exactly", _figure("exact")),
        ),
    ),
    "detector": (
        "Detector against the bare engine (images a second)",
        (
            ("bare engine", _figure("bare_images_per_second")),
            ("detector", _figure("detector_images_per_second")),
            ("detector / bare", _figure("detector_to_bare")),
            ("decoding alone", _figure("decoded_images_per_second")),
            ("frames", _parameter("frames")),
            ("engine", _figure("engine")),
            ("each frame once", _figure("exact")),
        ),
    ),
    "biller": (
        "Biller (events a second)",
        (
            ("biller", _figure("events_per_second")),
            ("an UPDATE an event", _figure("usual_updates_per_second")),
            ("biller / UPDATEs", _figure("biller_to_usual")),
            ("a dedup table", _figure("usual_dedups_per_second")),
            ("biller / dedup", _figure("biller_to_dedups")),
            ("events", _parameter("events")),
            ("charged exactly", _figure("exact")),
        ),
    ),
    "delay": (
        "From a usage event to its charge, at a steady pace (ms)",
        (
            ("events/s", _parameter("events_per_second")),
            ("p50", _figure("p50_ms")),
            ("p95", _figure("p95_ms")),
            ("p99", _figure("p99_ms")),
            ("events", _figure("events")),
            ("charged exactly", _figure("exact")),
        ),
    ),
    "funding": (
        "Renewals of one account's streams",
        (
            ("renewals/s", _figure("renewals_per_second")),
            ("p50, ms", _figure("p50_ms")),
            ("p99, ms", _figure("p99_ms")),
            ("a transaction each", _figure("usual_renewals_per_second")),
            ("together / each", _figure("together_to_usual")),
            ("streams", _parameter("streams")),
            ("held exactly", _figure("exact")),
        ),
    ),
    "reports": (
        "Reports of a month, medians (ms)",
        (
            ("total", _grouping("total")),
            ("by stream", _grouping("stream")),
            ("by stream, status", _grouping("stream_status")),
            ("by day", _grouping("day")),
            ("by stream, hour", _grouping("stream_hour")),
            ("slowest of all", _figure("slowest_ms")),
            ("statement", _figure("statement_ms")),
            ("rows by minute", _parameter("usage_minute_rows")),
            ("exact", _figure("exact")),
        ),
    ),
    "memory": (
        "Memory of the biller while it charges (MiB)",
        (
            ("events", _parameter("events")),
            ("after a tenth", _figure("memory_first_mib")),
            ("median", _figure("memory_median_mib")),
            ("most", _figure("memory_most_mib")),
            ("at the end", _figure("memory_last_mib")),
            ("drift, %", _figure("drift_percent")),
            ("spread, %", _figure("spread_percent")),
            ("charged exactly", _figure("exact")),
        ),
    ),
}


def show(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Records; without any: all of benchmarks/results.")
    ] = None,
) -> None:
    """Write the tables of these records into docs/performance.md."""
    PAGE.write_text(with_section(PAGE.read_text("utf-8"), section(read(files or recorded()))))


def recorded() -> list[Path]:
    """Return the files of records that the repository keeps."""
    return sorted(RESULTS.glob("*.jsonl"))


def read(files: Sequence[Path]) -> list[Record]:
    """Return the records of these files, in their order; raise `Misconfigured` with the file."""
    records = []
    for file in files:
        try:
            records += from_lines(file.read_text("utf-8"))
        except (OSError, Misconfigured) as error:
            raise Misconfigured(f"{file.name}: {error}") from error
    return records


def section(records: Sequence[Record]) -> str:
    """Return the records as markdown, a table for each benchmark that has any."""
    parts = []
    for name, (title, columns) in TABLES.items():
        rows = [made for made in records if made.benchmark == name]
        if rows:
            parts.append(f"### {title}\n\n{_table((*SHARED, *columns), rows)}")
    return "\n\n".join(parts) or NOTHING


def _table(columns: Sequence[Column], rows: Sequence[Record]) -> str:
    lines = [[name for name, _ in columns], ["---"] * len(columns)]
    lines += [[_text(value(made)) for _, value in columns] for made in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "**no**"
        case int():
            return f"{value:,}".replace(",", " ")
    return str(value).replace("|", "/")


def with_section(page: str, written: str) -> str:
    """Return the page with `written` between its markers; raise `Misconfigured` without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Misconfigured(f"docs/performance.md needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{written}\n\n{END}{after}"


def main() -> None:
    """Run the command line."""
    try:
        typer.run(show)
    except FramemeterError as error:
        terminal.messages().print(f"[red]benchmarks.table:[/red] {error}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
