"""`framemeter export`: usage and transfers by day, as Parquet files that anyone can read."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from billing import parquet
from billing.accounts import Accounts
from billing.database import Role
from billing.export import Export, Exported, Place, days_between
from cli import terminal
from cli.deployment import Deployment, database, deployment
from wire.errors import Rejected

DAY = ["%Y-%m-%d"]


def export(
    out: Annotated[Path, typer.Option(help="The folder to write into; it is made.")],
    day: Annotated[
        datetime | None, typer.Option(formats=DAY, help="One day (UTC); without any: yesterday.")
    ] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=DAY, help="The first of several days.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=DAY, help="The last of them, included.")
    ] = None,
    account: Annotated[str, typer.Option(help="What belongs to this account, alone.")] = "",
) -> None:
    """Write usage and transfers to Parquet files by day; a file is whole or not there."""
    parquet.require()
    target = deployment()
    days = chosen_days(day, first, last, today=target.clock.now().date())
    place = Place(folder=out, account=account or None)
    files = terminal.run(_export(target, place, days))
    view = terminal.table("Export", ("file", "rows", "note"), numbers=("rows",))
    for file in files:
        view.add_row(str(file.path), "" if file.rows is None else str(file.rows), file.note)
    terminal.output().print(view)


def chosen_days(
    day: datetime | None, first: datetime | None, last: datetime | None, *, today: date
) -> list[date]:
    """Return the days that the options name; raise `Rejected` when they contradict each other."""
    if day and (first or last):
        raise Rejected("give --day or --from and --to, not both")
    if (first is None) != (last is None):
        raise Rejected("--from and --to go together")
    yesterday = datetime.combine(today, datetime.min.time(), UTC) - timedelta(days=1)
    start, end = first or day or yesterday, last or day or yesterday
    return days_between(start.date(), end.date(), today)


async def _export(target: Deployment, place: Place, days: list[date]) -> list[Exported]:
    async with database(target, role=Role.AUDITOR) as pool:
        if place.account is not None:
            await Accounts(pool, target.clock).balance(place.account)  # refuses an unknown account
        work = Export(place, now=target.clock.now())
        return [
            *await work.usage(target.kafka, target.topics, days),
            *await work.ledger(pool, days),
        ]
