"""`python -m benchmarks.table [FILE.jsonl ...]`: shows records in docs/performance.md.

What stands between the page's two markers is replaced, so writing it again changes nothing.
Without a file, all of benchmarks/results are shown.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.columns import SHARED, TABLES, Column
from benchmarks.machine import ROOT
from benchmarks.record import Record, from_lines
from cli import terminal
from wire.errors import FramemeterError, Misconfigured

PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "benchmarks" / "results"
BEGIN = "<!-- figures: begin, written by python -m benchmarks.table -->"
END = "<!-- figures: end -->"
NOTHING = "No figures are recorded."


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
