"""The thread that plays one source into a slot, and starts it again whenever it fails.

A source that is away is tried again after a growing, jittered wait; nothing that happens here
reaches another camera. The thread is a daemon: stopping never waits for a hanging read.
"""

import contextvars
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from pipeline.sources import Deliver, Shot
from pipeline.trouble import Trouble
from wire.clock import Clock
from wire.errors import Retryable

WELL_AFTER_S = 10.0
"""A source that played this long starts anew with the shortest wait."""
log = structlog.stdlib.get_logger("pipeline.feed")


class Source(Protocol):
    """What is played; `pipeline.sources.VideoSource` is the real one."""

    def play(self, deliver: Deliver, stopped: threading.Event) -> None:
        """Deliver pictures; return at the end or when stopped, raise `Retryable` on trouble."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before a source is tried again: doubling from `least_s` to `most_s`."""

    least_s: float
    most_s: float

    def wait_s(self, failures: int, chance: float) -> float:
        """Return the wait after so many failures in a row; `chance` (0..1) spreads it by 30 %."""
        assert failures >= 1
        doubled = self.least_s * 2.0 ** min(failures - 1, 16)
        return float(min(doubled, self.most_s) * (0.7 + 0.6 * chance))


LIVE_BACKOFF = Backoff(least_s=0.5, most_s=15.0)
FILE_BACKOFF = Backoff(least_s=5.0, most_s=30.0)


class Feed:
    """One source, played until it ends or is stopped."""

    def __init__(
        self,
        stream: str,
        source: Source,
        *,
        backoff: Backoff,
        clock: Clock,
        deliver: Deliver,
        ended: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._source = source
        self._backoff = backoff
        self._clock = clock
        self._deliver = deliver
        self._ended = ended
        self._stopped = threading.Event()
        self._trouble = Trouble("a source gives no pictures; trying again", stream=stream)

    def start(self) -> None:
        """Begin to play."""
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(self._run,), name=f"feed-{self._stream}", daemon=True
        ).start()

    def stop(self) -> None:
        """Ask the thread to end; it does so when its read returns."""
        self._stopped.set()

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            started_s = self._clock.monotonic()
            reason = self._play()
            if reason is None:
                break
            now_s = self._clock.monotonic()
            failures = 1 if now_s - started_s > WELL_AFTER_S else failures + 1
            self._trouble.report(reason, now=now_s)
            chance = random.random()  # noqa: S311
            self._stopped.wait(self._backoff.wait_s(failures, chance))
        self._ended()

    def _play(self) -> str | None:
        """Play once; return why it ended, or None when it is to be over."""
        try:
            self._source.play(self._take, self._stopped)
        except Retryable as error:
            return str(error)
        except Exception as error:
            log.exception("a source failed in a way that was not foreseen", stream=self._stream)
            return repr(error)
        return None

    def _take(self, shot: Shot) -> None:
        self._trouble.over()
        if not self._stopped.is_set():
            self._deliver(shot)
