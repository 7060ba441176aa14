"""`framemeter audit`: the proof of the books, for which it is enough to be allowed to read them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from redis.asyncio import Redis
from rich.table import Table

from billing import parquet
from billing.accounts import Accounts
from billing.archive import Archive
from billing.audit import AuditReport, audit
from billing.database import Role
from cli import terminal
from cli.deployment import Deployment, database, deployment


def check(
    account: Annotated[
        str, typer.Option(help="Count again what this account used, and nobody else.")
    ] = "",
    archive: Annotated[
        Path | None, typer.Option(help="A folder of `framemeter export` to count and verify, too.")
    ] = None,
) -> None:
    """Prove the books: exit code 1 when a check fails."""
    result = terminal.run(run_audit(deployment(), account=account or None, folder=archive))
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


async def run_audit(
    target: Deployment, *, account: str | None = None, folder: Path | None = None
) -> AuditReport:
    """Run every check against the database, Valkey, the usage topic and, if given, an archive."""
    if folder is not None:
        parquet.require()
    archive = Archive(folder, account=account) if folder else None
    redis: Redis = Redis.from_url(target.redis)
    try:
        async with database(target, role=Role.AUDITOR) as pool:
            if account is not None:
                await Accounts(pool, target.clock).balance(account)  # refuses an unknown account
            return await audit(
                pool,
                redis=redis,
                kafka=target.kafka,
                topics=target.topics,
                account=account,
                archive=archive,
            )
    finally:
        await redis.aclose()
