"""Ends the process when a call of the engine does not come back.

A thread that hangs cannot be stopped from within; a process that ends lets its partitions move to
others, which read what was not committed again, so nothing is charged twice. Promises to count
only time in which this process ran: one that was stopped or asleep has not hung.
"""

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

EXIT_ENGINE_HANGS = 70
"""The exit code, for whoever restarts the process."""
TICK_S_MAX = 1.0
TICKS_PER_LIMIT = 10
log = structlog.stdlib.get_logger("consumers.detector.watchdog")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """A call that took too long: of which engine, for how long, and where it stands."""

    what: str
    seconds: float
    stack: str


class Watchdog:
    """Watches the engine's calls; `limit_s` 0 watches nothing."""

    def __init__(self, limit_s: float, *, end: "Callable[[Hang], None] | None" = None) -> None:
        """`end` is called with the hang; by default it ends the process."""
        self._limit_s = limit_s
        self._end = end or end_process
        self._ran_s = 0.0
        self._ticked: float | None = None
        self._calls: dict[int, tuple[str, float]] = {}

    @property
    def tick_s(self) -> float:
        """How often it looks."""
        return min(TICK_S_MAX, self._limit_s / TICKS_PER_LIMIT)

    def start(self) -> None:
        """Look from a thread of its own, for as long as the process lives."""
        if self._limit_s:
            threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    @contextmanager
    def watching(self, what: str) -> Iterator[None]:
        """Watch what the calling thread does within."""
        me = threading.get_ident()
        self._calls[me] = (what, self._ran_s)
        try:
            yield
        finally:
            del self._calls[me]

    def tick(self, now: float) -> None:
        """Look at monotonic time `now`; a long gap between two looks is not the engine's."""
        if self._ticked is not None:
            self._ran_s += min(now - self._ticked, 2 * self.tick_s)
        self._ticked = now
        for thread, (what, since_s) in list(self._calls.items()):
            seconds = self._ran_s - since_s
            if seconds > self._limit_s:
                self._end(Hang(what=what, seconds=seconds, stack=_stack_of(thread)))

    def _run(self) -> None:
        while True:
            self.tick(time.monotonic())
            time.sleep(self.tick_s)


def end_process(hang: Hang) -> None:
    """Say so, and end at once: no clean-up could wait for a thread that never comes back."""
    log.critical(
        "the engine hangs: the process ends, so that its partitions move",
        engine=hang.what,
        seconds=round(hang.seconds, 1),
        stack=hang.stack,
    )
    logging.shutdown()
    sys.stderr.flush()
    os._exit(EXIT_ENGINE_HANGS)


def _stack_of(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    return "".join(traceback.format_stack(frame)) if frame is not None else ""
