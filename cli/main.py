"""The `framemeter` command: every command group, one place where errors become exit codes."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import accounts, alerts, books, models, stack, streams, tariff, terminal, topics
from cli.archive import export
from cli.calibrate import calibrate
from cli.demo.command import demo
from cli.deployment import DEFAULT_FOLDER, adopt_local_stack
from cli.estimate import estimate
from cli.report import report
from cli.run import run
from cli.tail import tail
from wire.errors import FramemeterError

BEFORE_ANY_STACK = frozenset({"up", "down", "status", "demo"})
"""Commands that start or stop the local stack themselves."""


def build_app() -> typer.Typer:
    """Return the whole command line."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="YOLO over many live cameras, every frame paid for exactly once.",
    )
    app.callback()(start)
    app.command("demo")(demo)
    app.command("up")(stack.up)
    app.command("down")(stack.down)
    app.command("status")(stack.status)
    app.command("run")(run)
    app.add_typer(topics.build(), name="topics")
    app.add_typer(accounts.build(), name="accounts")
    app.add_typer(alerts.build(), name="alerts")
    app.add_typer(streams.build(), name="streams")
    app.add_typer(models.build(), name="models")
    app.add_typer(tariff.build(), name="tariff")
    app.command("estimate")(estimate)
    app.command("calibrate")(calibrate)
    app.command("tail")(tail)
    app.command("report")(report)
    app.command("audit")(books.check)
    app.command("export")(export)
    return app


def start(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option(help="Where the local stack keeps its data.")
    ] = DEFAULT_FOLDER,
) -> None:
    """Use what FRAMEMETER_KAFKA, _POSTGRES and _REDIS name, else the local stack's."""
    context.obj = folder
    if context.invoked_subcommand not in BEFORE_ANY_STACK:
        adopt_local_stack(folder)


def main() -> None:
    """Run the command line."""
    try:
        build_app()()
    except FramemeterError as error:
        terminal.messages().print(f"[red]framemeter:[/red] {error}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
