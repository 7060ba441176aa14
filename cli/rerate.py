"""`framemeter tariff rerate`: show what a period would have cost by another tariff, and book it."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from billing.rerating import Rerating
from billing.reratings import Correction, Outcome, Reratings
from cli import tariff_tables, terminal
from cli.deployment import Deployment, database, deployment
from wire.balances import format_tokens
from wire.errors import Rejected


def rerate(
    account: Annotated[str, typer.Option(help="Whose charges.")],
    start: Annotated[str, typer.Option("--from", help="First hour, 2026-03-01 or …T05:00Z; UTC.")],
    end: Annotated[str, typer.Option("--to", help="The hour after the last one.")],
    tariff: Annotated[str, typer.Option(help="The version that should have been charged.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the correction.")],
    apply: Annotated[bool, typer.Option("--apply", help="Book it; without, only show it.")] = False,
) -> None:
    """Price a past period anew; with --apply book the difference. Nothing is ever edited."""
    asked = Rerating(
        account=account, start=moment(start), end=moment(end), tariff=tariff, reason=reason
    )
    found = terminal.run(_rerate(deployment(), asked, apply=apply))
    changed = [line for line in found.lines if line.difference]
    console = terminal.output()
    if changed:
        title = f"{account} by tariff {tariff}: {reason}"
        console.print(tariff_tables.of_lines(changed, title=title))
    console.print(_told(found))


async def _rerate(target: Deployment, asked: Rerating, *, apply: bool) -> Correction:
    async with database(target) as pool:
        reratings = Reratings(pool, target.clock)
        return await (reratings.book(asked) if apply else reratings.show(asked))


def moment(text: str) -> datetime:
    """Return a time from ISO 8601 text, in UTC where no zone is given; raise `Rejected`."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Rejected(f"{text!r} is not a time: give 2026-03-01 or 2026-03-01T05:00Z") from None


def _told(found: Correction) -> str:
    """Return what became of it, in a line."""
    amount = format_tokens(abs(found.millitokens))
    direction = "back to the account" if found.millitokens < 0 else "from the account"
    match found.outcome:
        case Outcome.SHOWN if any(line.difference for line in found.lines):
            return f"{amount} tokens {direction}; nothing was booked: add --apply to book it"
        case Outcome.BOOKED:
            return f"booked {amount} tokens {direction}, as rerating {found.id}"
        case Outcome.EXISTS:
            return (
                f"rerating {found.id} was booked before ({amount} tokens {direction}): nothing"
                " changed; another --reason makes it another one"
            )
        case _:
            return "these hours cost just that: there is nothing to correct"
