"""`python -m benchmarks`: runs the benchmarks and writes a JSON line for each measurement.

Everything that they need is started, in a temporary folder, and gone afterwards.
"""

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import (
    biller,
    delay,
    detector,
    fairness,
    funding,
    int8,
    latency,
    memory,
    openings,
    overload,
    pipeline,
    priority,
    reports,
    stall,
    swaps,
    waterfall,
)
from benchmarks.ground import Choice, Site
from benchmarks.machine import commit, this_machine
from benchmarks.record import Measured, record, to_line
from cli import terminal
from cli.demo.screen import Screen
from cli.local.stack import LocalStack
from wire.errors import FramemeterError, Misconfigured
from wire.settings import WireSettings
from wire.telemetry import configure_logging

SECONDS_MAX = 120.0
"""Frames that lie ready for a detector are kept for ten minutes only."""


class Benchmark(StrEnum):
    """What can be measured."""

    LATENCY = "latency"
    DETECTOR = "detector"
    PIPELINE = "pipeline"
    INT8 = "int8"
    OVERLOAD = "overload"
    FAIRNESS = "fairness"
    PRIORITY = "priority"
    STALL = "stall"
    SWAPS = "swaps"
    OPENINGS = "openings"
    WATERFALL = "waterfall"
    BILLER = "biller"
    DELAY = "delay"
    MEMORY = "memory"
    FUNDING = "funding"
    REPORTS = "reports"


MEASURE: dict[Benchmark, Callable[[Site], AsyncIterator[Measured]]] = {
    Benchmark.LATENCY: latency.measure,
    Benchmark.DETECTOR: detector.measure,
    Benchmark.PIPELINE: pipeline.measure,
    Benchmark.INT8: int8.measure,
    Benchmark.OVERLOAD: overload.measure,
    Benchmark.FAIRNESS: fairness.measure,
    Benchmark.PRIORITY: priority.measure,
    Benchmark.STALL: stall.measure,
    Benchmark.SWAPS: swaps.measure,
    Benchmark.OPENINGS: openings.measure,
    Benchmark.WATERFALL: waterfall.measure,
    Benchmark.BILLER: biller.measure,
    Benchmark.DELAY: delay.measure,
    Benchmark.MEMORY: memory.measure,
    Benchmark.FUNDING: funding.measure,
    Benchmark.REPORTS: reports.measure,
}


def bench(
    which: Annotated[
        list[Benchmark] | None, typer.Argument(help="Which benchmarks; without any: all.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1.0, max=SECONDS_MAX, help="How long each measurement lasts.")
    ] = 20.0,
    out: Annotated[
        Path | None, typer.Option(help="Append the lines to this file, not to standard output.")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            help="park-n, or an architecture such as yolov8m with random weights; repeat it for"
            " `detector`, other benchmarks take the first. Without any: each benchmark's own."
        ),
    ] = None,
    streams: Annotated[
        int, typer.Option(min=1, max=1_000, help="Streams of the topic that is filled beforehand.")
    ] = 16,
    engine: Annotated[str, typer.Option(help="FRAMEMETER_ENGINE of every detector.")] = "auto",
    batch_size: Annotated[
        int, typer.Option(min=0, max=256, help="FRAMEMETER_BATCH_SIZE_MAX; 0: the default.")
    ] = 0,
) -> None:
    """Measure framemeter on this machine; a JSON line for each measurement."""
    _forget_settings()
    _quieten()
    screen = Screen(terminal.messages())
    of_code, machine = commit(), this_machine()

    wrong: list[str] = []

    def write(measured: Measured) -> None:
        if not measured.figures["exact"]:
            wrong.append(measured.benchmark)
        made = record(measured, at=datetime.now(UTC), commit=of_code, machine=machine)
        _write(to_line(made), out)

    with tempfile.TemporaryDirectory(prefix="framemeter-bench-") as folder:
        stack = LocalStack(Path(folder) / "stack", die_with_parent=True)
        try:
            site = Site(
                addresses=stack.start(lambda what: screen.say(f"[dim]{what}[/dim]")),
                folder=Path(folder),
                seconds=seconds,
                say=screen.say,
                choice=Choice(
                    models=tuple(models or ()),
                    streams=streams,
                    engine=engine,
                    batch_size=batch_size,
                ),
            )
            for name in which or list(Benchmark):
                asyncio.run(_measure(MEASURE[name](site), write))
        finally:
            stack.erase()
    if wrong:
        raise Misconfigured(
            f"in {', '.join(wrong)} frames were lost, doubled or charged wrongly: its speed means"
            " nothing until that is mended"
        )


async def _measure(found: AsyncIterator[Measured], write: Callable[[Measured], None]) -> None:
    async for measured in found:
        write(measured)


def _write(line: str, out: Path | None) -> None:
    if out is None:
        typer.echo(line)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _quieten() -> None:
    """Keep standard output for the lines, and what aiokafka says of every new topic to itself."""
    configure_logging(WireSettings(log_level="warning"), process="benchmarks")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _forget_settings() -> None:
    """Let every process run with its defaults, whatever the environment says."""
    for name in [name for name in os.environ if name.startswith("FRAMEMETER_")]:
        del os.environ[name]


def main() -> None:
    """Run the command line."""
    try:
        typer.run(bench)
    except FramemeterError as error:
        terminal.messages().print(f"[red]benchmarks:[/red] {error}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
