"""`framemeter demo` on the command line: options, the stack around the run, what is printed."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import terminal
from cli.demo import view
from cli.demo.conductor import Demo, Options
from cli.demo.roles import Cast
from cli.demo.screen import Screen
from cli.deployment import adopt_local_stack, configured_addresses, deployment
from cli.local.stack import LocalStack
from wire.errors import Misconfigured

SECONDS_MAX = 24 * 3600


def demo(
    context: typer.Context,
    seconds: Annotated[float, typer.Option(help="How long the cameras play.")] = 60.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the result here, too.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave Kafka, PostgreSQL and Valkey running.")
    ] = False,
    streams: Annotated[
        Path | None, typer.Option(help="Your own cameras: a TOML file with [[stream]].")
    ] = None,
) -> None:
    """Play four cameras through the whole system, bill them, and prove the books."""
    if not 1 <= seconds <= SECONDS_MAX:
        raise Misconfigured(f"--seconds must be 1 to {SECONDS_MAX}")
    base: Path = context.obj
    folder = base / "demo"
    own = not configured_addresses()
    stack = LocalStack(folder, die_with_parent=not keep)
    screen = Screen(terminal.output())
    if own:
        _start_afresh(stack, screen)
    try:
        adopt_local_stack(folder)
        options = Options(
            seconds=seconds,
            streams=streams,
            scenes_folder=base / "scenes",
            suffix="" if own else time.strftime("-%m%d-%H%M%S"),
        )
        result = _play(options, Cast(folder / "logs"), screen)
    finally:
        if own and not keep:
            screen.say("stopping Kafka, PostgreSQL and Valkey")
            stack.stop()
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=2) + "\n")
    _print(result, screen, folder=folder, kept=own and keep)
    if not result["audit"]["ok"]:
        raise typer.Exit(1)


def _start_afresh(stack: LocalStack, screen: Screen) -> None:
    """Start an empty stack; a kept one of an earlier demo goes first."""
    stack.erase()
    stack.start(lambda what: screen.say(f"[dim]{what}[/dim]"))


def _play(options: Options, cast: Cast, screen: Screen) -> dict[str, Any]:
    try:
        run = Demo(options, target=deployment(), cast=cast, screen=screen)
        return terminal.run(run.play())
    finally:
        cast.stop()


def _print(result: dict[str, Any], screen: Screen, *, folder: Path, kept: bool) -> None:
    screen.show(view.bill(result), view.account(result), view.audit(result))
    detector = result["detector"]
    screen.show(
        f"detector: {detector['model']} on {detector['engine']},"
        f" {detector['images_per_second']} images/s while inferring,"
        f" {detector['batch_mean']} images a batch",
        f"logs: {folder / 'logs'}",
    )
    if kept:
        account = result["account"]["account"]
        screen.show(
            "still running; look around with",
            f"  framemeter --folder {folder} report {account}",
            f"  framemeter --folder {folder} audit",
            f"  framemeter --folder {folder} down",
        )
    else:
        screen.show("next: `framemeter demo --keep`, your own cameras with `--streams FILE.toml`")
