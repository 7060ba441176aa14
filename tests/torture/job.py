"""A job runs seeds one after the other on a site of its own; several jobs run side by side.

A seed that cannot be run to its end is a failed one, with the error as what was found.
"""

import asyncio
import logging
import multiprocessing
import queue
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.local.process import die_with_parent
from tests.torture.outcome import Found, Outcome
from tests.torture.run import Run
from tests.torture.site import Site

POLL_S = 1.0
TRACE_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which seeds to run, for how long each, where."""

    seeds: tuple[int, ...]
    seconds: float
    folder: Path


async def run_seed(seed: int, seconds: float, site: Site, folder: Path) -> Outcome:
    """Run one seed; whatever it raises is its outcome."""
    run = Run(seed, seconds, site, folder)
    try:
        return await run.go()
    except Exception as error:  # noqa: BLE001  (counted as a failed seed, with its trace)
        lines = "".join(traceback.format_exception(error)).splitlines()
        found = Found(rule="carried out", detail="\n".join(lines[-TRACE_LINES:]))
        await site.restore()
        return run.outcome((found,))


def run_all(order: Order, jobs: int) -> Iterator[Outcome]:
    """Run the seeds in `jobs` processes; yield each outcome when it is there."""
    context = multiprocessing.get_context("spawn")
    todo: Any = context.Queue()
    done: Any = context.Queue()
    for seed in order.seeds:
        todo.put(seed)
    processes = [
        context.Process(target=_work, args=(order, number, todo, done), name=f"job-{number}")
        for number in range(1, min(jobs, len(order.seeds)) + 1)
    ]
    for process in processes:
        process.start()
    try:
        for _ in order.seeds:
            yield _next(done, processes)
    finally:
        for process in processes:
            process.join()


def _next(done: Any, processes: Sequence[Any]) -> Outcome:
    """Wait for an outcome; raise when all jobs died without one."""
    while True:
        try:
            outcome: Outcome = done.get(timeout=POLL_S)
            return outcome
        except queue.Empty:
            if not any(process.is_alive() for process in processes):
                raise RuntimeError("all jobs have died; their errors are above") from None


def _work(order: Order, number: int, todo: Any, done: Any) -> None:
    die_with_parent()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the broker is away on purpose
    asyncio.run(_job(order, order.folder / f"job-{number}", todo, done))


async def _job(order: Order, folder: Path, todo: Any, done: Any) -> None:
    site = Site(folder / "stack")
    try:
        await site.start()
        while True:
            try:
                seed = todo.get_nowait()
            except queue.Empty:
                return
            done.put(await run_seed(seed, order.seconds, site, order.folder))
    finally:
        await site.close()
