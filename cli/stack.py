"""`framemeter up`, `down`, `status`: the local Kafka, PostgreSQL and Valkey."""

from pathlib import Path

import typer

from cli import terminal
from cli.deployment import configured_addresses
from cli.local.stack import LocalStack
from cli.streams import without_password

DEMO_FOLDER = "demo"


def up(context: typer.Context) -> None:
    """Start Kafka, PostgreSQL and Valkey on this machine; other commands then find them."""
    folder: Path = context.obj
    stack = LocalStack(folder, configured_addresses())
    console = terminal.messages()
    addresses = stack.start(lambda what: console.print(f"[dim]{what}[/dim]"))
    output = terminal.output()
    for name, value in addresses.as_environment().items():
        output.print(f"export {name}={value}", soft_wrap=True, highlight=False)


def down(context: typer.Context) -> None:
    """Stop what `up` (or `demo --keep`) left running; data stays in the folder."""
    folder: Path = context.obj
    for place in (folder, folder / DEMO_FOLDER):
        if place.exists():
            LocalStack(place).stop()
    terminal.messages().print("stopped")


def status(context: typer.Context) -> None:
    """Say which services run, where, and where their logs are."""
    folder: Path = context.obj
    view = terminal.table("Local stack", ("service", "state", "address", "log"))
    for service in LocalStack(folder, configured_addresses()).status():
        address = without_password(service.address)
        view.add_row(service.name, service.state, address, str(service.log or ""))
    terminal.output().print(view)
