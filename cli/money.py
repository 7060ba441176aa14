"""`framemeter estimate`, `report` and `audit`: the price before, the bill after, the proof."""

from collections.abc import Iterable
from typing import Annotated

import typer
from redis.asyncio import Redis
from rich.table import Table

from billing.accounts import Accounts
from billing.audit import AuditReport, audit
from billing.reports import StreamBill, stream_bill
from billing.tariff import size_class_of, unit_price
from cli import terminal
from cli.deployment import Deployment, database, deployment
from cli.streamfile import parse_size
from wire.errors import Rejected
from wire.frames import Tier
from wire.usage import Status

SECONDS_PER_DAY = 24 * 3600


def estimate(
    model: Annotated[str, typer.Argument(help="A model's name, such as yolov8s.")],
    size: Annotated[
        str, typer.Argument(help="Inference size, HEIGHTxWIDTH or one number.")
    ] = "640",
    fps: Annotated[float, typer.Option(help="Frames a second of one stream.")] = 5.0,
    streams: Annotated[int, typer.Option(help="How many streams.")] = 1,
    tier: Annotated[Tier, typer.Option(help="Priority costs more.")] = Tier.STANDARD,
    size_class: Annotated[str, typer.Option(help="n s m l x, where the name does not tell.")] = "",
) -> None:
    """Tell what frames will cost, before anything is spent."""
    known = size_class or size_class_of(model)
    if known is None:
        raise Rejected(f"the name {model!r} does not tell a size class: give --size-class")
    height, width = parse_size(size)
    price = unit_price(size_class=known, height=height, width=width, tier=tier)
    frames_a_day = round(fps * SECONDS_PER_DAY) * streams
    view = terminal.table(
        f"{model} {height}x{width} {tier}", ("what", "tokens"), numbers=("tokens",)
    )
    view.add_row("one frame", terminal.tokens(price))
    view.add_row("1 000 frames", terminal.tokens(price * 1_000))
    view.add_row(f"a day of {streams} x {fps:g} fps", terminal.tokens(price * frames_a_day))
    terminal.output().print(view)


BILL_COUNTS = ("captured", "published", *(status.value for status in Status))


def report(account: Annotated[str, typer.Argument(help="Whose bill.")]) -> None:
    """Show the bill of each stream of an account, over its whole life."""
    bills = terminal.run(_bills(deployment(), account))
    terminal.output().print(bill_table(account, bills))


async def _bills(target: Deployment, account: str) -> list[StreamBill]:
    async with database(target) as pool:
        await Accounts(pool, target.clock).balance(account)  # refuses an unknown account
        return list(await stream_bill(pool, account))


def bill_table(account: str, bills: list[StreamBill]) -> Table:
    """Return the bill per stream, with its total."""
    columns = ("stream", *BILL_COUNTS, "tokens")
    view = terminal.table(f"Bill of {account}", columns, numbers=columns[1:])
    view.show_footer = True
    for bill in bills:
        counts = (bill.captured, bill.published, *(bill.frames.get(status, 0) for status in Status))
        view.add_row(bill.stream, *map(str, counts), terminal.tokens(bill.charged_millitokens))
    view.columns[-1].footer = terminal.tokens(sum(bill.charged_millitokens for bill in bills))
    return view


def check() -> None:
    """Prove the books: exit code 1 when a check fails."""
    result = terminal.run(run_audit(deployment()))
    terminal.output().print(
        audit_table((check.name, check.ok, check.detail) for check in result.checks)
    )
    raise typer.Exit(0 if result.ok else 1)


def audit_table(checks: Iterable[tuple[str, bool, str]]) -> Table:
    """Return the checks (name, whether it holds, detail) as a table."""
    view = terminal.table("Audit", ("check", "", "detail"))
    for name, ok, detail in checks:
        view.add_row(name, "[green]ok[/green]" if ok else "[bold red]FAILED[/bold red]", detail)
    return view


async def run_audit(target: Deployment) -> AuditReport:
    """Run every check against the database, Valkey and the usage topic."""
    redis: Redis = Redis.from_url(target.redis)
    try:
        async with database(target) as pool:
            return await audit(pool, redis=redis, kafka=target.kafka, topics=target.topics)
    finally:
        await redis.aclose()
