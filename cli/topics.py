"""`framemeter topics`: create and list the topics."""

from typing import Annotated

import typer

from cli import terminal
from cli.deployment import deployment


def build() -> typer.Typer:
    """Return the command group."""
    group = typer.Typer(no_args_is_help=True, help="Create and list the Kafka topics.")
    group.command("create")(create)
    group.command("list")(show)
    return group


def create(
    replication: Annotated[
        int, typer.Option(help="Copies of each partition; 3 on a real cluster.")
    ] = 1,
) -> None:
    """Create the topics that are not there yet."""
    target = deployment()
    made = terminal.run(target.kafka.create_topics(target.topics.table(), replication=replication))
    console = terminal.output()
    console.print(f"{len(made)} created, {len(target.topics.table()) - len(made)} were there")
    for name in made:
        console.print(f"  {name}")


def show() -> None:
    """List the topics as this version wants them."""
    target = deployment()
    view = terminal.table("Topics", ("topic", "partitions", "settings"), numbers=("partitions",))
    for topic in target.topics.table():
        settings = " ".join(f"{name}={value}" for name, value in topic.config.items())
        view.add_row(topic.name, str(topic.partitions), settings)
    terminal.output().print(view)
