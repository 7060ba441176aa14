"""How fast an engine runs some weights here: each one alone, in a process of its own.

A process of its own, because the engines' libraries slow each other down, and because one that
crashes or hangs must not take the detector with it.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from consumers.detector.engines.choices import Choice
from consumers.detector.engines.protocol import Engine

PASSES = 2
"""Every engine has so many turns, and its best one counts: a busy moment decides nothing."""
MARGIN = 1.1
"""How much faster than the one before it in the order an engine must be to be taken instead."""
BATCH_SIZE = 8
BATCHES_MIN = 3
SECONDS = 3.0
SLOW_S = 15.0
"""After this long the batches that were done decide, however few."""
Run = Callable[[list[str], float], str]
"""Runs a command for at most some seconds; returns its last line, or raises `RuntimeError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is measured: weights at one size, with so many threads."""

    source: str
    cache: Path
    threads: int
    height: int
    width: int

    def command(self, engine: str) -> list[str]:
        """Return the command that measures one engine."""
        size = f"{self.height}x{self.width}"
        return [
            *(sys.executable, "-m", __name__, engine, self.source),
            *("--cache", str(self.cache), "--threads", str(self.threads), "--size", size),
        ]


def fastest(
    task: Task, engines: Sequence[str], *, timeout_s: float, run: Run | None = None
) -> Choice | None:
    """Measure the engines in turns and return the choice; None when none of them ran.

    `engines` are in the order of preference: a later one must be clearly faster.
    """
    speeds: dict[str, float] = {}
    failed: dict[str, str] = {}
    for _ in range(PASSES):
        for engine in engines:
            if engine in failed:
                continue
            try:
                speed = float((run or run_bounded)(task.command(engine), timeout_s))
                speeds[engine] = max(speed, speeds.get(engine, 0.0))
            except (RuntimeError, ValueError) as error:
                failed[engine] = str(error)
                speeds.pop(engine, None)
    if not speeds:
        return None
    return Choice(
        engine=preferred([engine for engine in engines if engine in speeds], speeds),
        height=task.height,
        width=task.width,
        images_per_second=speeds,
        failed=failed,
    )


def preferred(engines: Sequence[str], speeds: Mapping[str, float]) -> str:
    """Return the fastest engine; of those that hardly differ the first one."""
    best = engines[0]
    for engine in engines[1:]:
        if speeds[engine] > MARGIN * speeds[best]:
            best = engine
    return best


def run_bounded(command: list[str], timeout_s: float) -> str:
    """Run a command; return the last line that it wrote."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"took over {timeout_s:.0f} s") from error
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it died without a word"])[-1])
    return (done.stdout.strip().splitlines() or [""])[-1]


def images_per_second(
    engine: Engine, height: int, width: int, *, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return how many pictures a second the engine does in batches of `BATCH_SIZE`."""
    noise = np.random.default_rng(0)
    pictures = noise.integers(0, 256, (BATCH_SIZE, height, width, 3), dtype=np.uint8)
    engine.prepare(height, width)
    engine.infer(pictures)
    batches, started = 0, clock()
    while True:
        engine.infer(pictures)
        batches, passed = batches + 1, clock() - started
        if passed >= (SECONDS if batches >= BATCHES_MIN else SLOW_S):
            return batches * BATCH_SIZE / passed


def parse_size(text: str) -> tuple[int, int]:
    """Return height and width of `640` or `384x512`."""
    height, _, width = text.partition("x")
    return int(height), int(width or height)


def main() -> None:
    """Measure one engine and write its images a second as the last line."""
    from consumers.detector.engines.choose import EngineLoader
    from wire.models import ModelSpec

    parser = argparse.ArgumentParser(
        prog="python -m consumers.detector.engines.measured", description=main.__doc__
    )
    parser.add_argument("engine")
    parser.add_argument("source")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--size", type=parse_size, default=(640, 640))
    arguments = parser.parse_args()
    loader = EngineLoader(
        kind=arguments.engine,
        threads=arguments.threads,
        models_folder=Path(),
        cache_folder=arguments.cache,
    )
    loader.check()
    spec = ModelSpec(
        model="measured", version="1", source=arguments.source, size_class="n", confidence=0.25
    )
    speed = images_per_second(loader.load(spec), *arguments.size)
    sys.stdout.write(json.dumps(round(speed, 2)) + "\n")


if __name__ == "__main__":
    main()
