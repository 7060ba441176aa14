"""`framemeter report`: what an account used and what it cost, as a table, data or a statement.

JSON and CSV are what `GET /v1/usage` answers, HTML is what `GET /v1/statement` answers.
"""

from datetime import datetime
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from billing import reports, usage_table
from billing.accounts import Accounts
from billing.statement.figures import statement
from billing.statement.page import page
from billing.usage_table import GROUPS_DEFAULT, Period, UsageTable
from cli import terminal
from cli.deployment import Deployment, database, deployment
from wire.errors import Misconfigured, Rejected


class Format(StrEnum):
    """How a report is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


def report(
    account: Annotated[str, typer.Argument(help="Whose report.")],
    since: Annotated[
        str, typer.Option("--from", help="First moment, such as 2026-11-01 or 2026-11-01T06:00.")
    ] = "",
    until: Annotated[
        str, typer.Option("--to", help="Moment after the last; now if left out.")
    ] = "",
    group_by: Annotated[
        str, typer.Option(help="stream, model, status, tier and hour or day, with commas.")
    ] = "",
    form: Annotated[
        Format, typer.Option("--format", help="html is the statement, with balances and charts.")
    ] = Format.TABLE,
    out: Annotated[
        Path | None, typer.Option(help="Write to this file, not to standard output.")
    ] = None,
) -> None:
    """Report an account's frames and tokens; of the last 24 hours if not told. Times are UTC."""
    target = deployment()
    asked = usage_table.period(
        start=parse_moment(since), end=parse_moment(until), now=target.clock.now()
    )
    if form is Format.HTML:
        if group_by:
            raise Rejected("a statement has its own groups: leave --group-by out with html")
        write(terminal.run(_page(target, account, asked)), out)
        return
    groups = usage_table.groups(group_by or GROUPS_DEFAULT)
    answered = terminal.run(_table(target, account, asked, groups))
    if form is Format.JSON:
        write(usage_table.as_json(answered).decode() + "\n", out)
    elif form is Format.CSV:
        write(usage_table.as_csv(answered), out)
    else:
        show(heading(account, asked), view(answered), out)


def parse_moment(text: str) -> datetime | None:
    """Return a date or a time in ISO form, None for nothing; raise `Rejected`."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Rejected(
            f"{text!r} is not a time: write it as 2026-11-01 or 2026-11-01T06:00"
        ) from None


def heading(account: str, asked: Period) -> str:
    """Return what a report is about, in a line."""
    return f"Usage of {account}, {asked.start:%Y-%m-%d %H:%M} to {asked.end:%Y-%m-%d %H:%M} UTC"


def view(answered: UsageTable) -> Table:
    """Return the report for a terminal, with its totals."""
    figures = ("frames", "tokens", "adjusted")
    columns = (*answered.group_by, *figures)
    made = terminal.table("", columns, numbers=figures)
    made.show_footer = True
    made.footer_style = "bold"
    for row in answered.rows:
        named = (_named(group, row[group]) for group in answered.group_by)
        amounts = (terminal.tokens(_sum([row], name)) for name in _AMOUNTS)
        made.add_row(*named, str(row["frames"]), *amounts)
    totals = (
        str(_sum(answered.rows, "frames")),
        *(terminal.tokens(_sum(answered.rows, name)) for name in _AMOUNTS),
    )
    made.columns[0].footer = "total"
    for column, total in zip(made.columns[-len(figures) :], totals, strict=True):
        column.footer = total
    return made


_AMOUNTS = ("millitokens", "adjusted_millitokens")


def _sum(rows: list[dict[str, usage_table.Member]], name: str) -> int:
    return sum(value for row in rows if isinstance(value := row[name], int))


def _named(group: str, value: usage_table.Member) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if group == "day" else f"{value:%Y-%m-%d %H:%M}"
    return str(value)


async def _table(
    target: Deployment, account: str, asked: Period, groups: tuple[str, ...]
) -> UsageTable:
    async with database(target) as pool:
        await Accounts(pool, target.clock).balance(account)  # refuses an unknown account
        rows = await reports.usage(
            pool, account=account, start=asked.start, end=asked.end, group_by=groups
        )
    return usage_table.table(asked, groups, rows)


async def _page(target: Deployment, account: str, asked: Period) -> str:
    async with database(target) as pool:
        figures = await statement(pool, account=account, period=asked, now=target.clock.now())
    return page(figures)


def show(title: str, table: Table, out: Path | None) -> None:
    """Print the table under its title, or write both to a file."""
    text = StringIO()
    console = (
        Console(file=text, width=terminal.WIDTH_WITHOUT_TERMINAL) if out else terminal.output()
    )
    console.print(title, style="italic", highlight=False)
    console.print(table)
    if out:
        write(text.getvalue(), out)


def write(text: str, out: Path | None) -> None:
    """Write to a file, or to standard output; raise `Misconfigured` when the file cannot be."""
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise Misconfigured(f"{out} cannot be written: {error.strerror}") from error
