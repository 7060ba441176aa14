"""`framemeter audit`: the proof that the books are right."""

from collections.abc import Iterable

import typer
from redis.asyncio import Redis
from rich.table import Table

from billing.audit import AuditReport, audit
from cli import terminal
from cli.deployment import Deployment, database, deployment


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
