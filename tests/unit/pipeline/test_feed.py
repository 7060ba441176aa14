"""A feed starts its source again after every failure, with growing waits, until stopped."""

import threading
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import CapturingLogger

from pipeline import feed
from pipeline.feed import FILE_BACKOFF, LIVE_BACKOFF, Backoff, Feed
from pipeline.sources import Deliver, Shot
from pipeline.trouble import REMIND_S, Trouble
from wire.clock import SystemClock
from wire.errors import Retryable

SHOT = Shot(picture=np.zeros((1, 1, 3), np.uint8), captured_at=datetime(2026, 11, 24, tzinfo=UTC))


class Script:
    """A source that fails as it is told to, one entry for each time that it is played."""

    def __init__(self, *scenes: Exception | int) -> None:
        self.scenes = list(scenes)
        self.plays = 0

    def play(self, deliver: Deliver, stopped: threading.Event) -> None:
        self.plays += 1
        scene = self.scenes.pop(0)
        if isinstance(scene, Exception):
            raise scene
        for _ in range(scene):
            deliver(SHOT)


def run(script: Script) -> int:
    """Run a feed to its end; return how many pictures it gave."""
    taken: list[Shot] = []
    ended = threading.Event()
    Feed(
        "gate",
        script,
        backoff=Backoff(least_s=0.001, most_s=0.002),
        clock=SystemClock(),
        deliver=taken.append,
        ended=ended.set,
    ).start()
    assert ended.wait(5)
    return len(taken)


def test_a_source_that_fails_is_played_again_until_it_ends() -> None:
    script = Script(Retryable("away"), Retryable("away"), 3)
    assert run(script) == 3
    assert script.plays == 3


def test_an_error_that_nobody_foresaw_is_logged_and_not_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logger = CapturingLogger()
    monkeypatch.setattr(feed, "log", logger)
    assert run(Script(ZeroDivisionError("oops"), 1)) == 1
    assert [call.method_name for call in logger.calls] == ["exception"]


@given(failures=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_waits_grow_to_a_bound(failures: int, chance: float) -> None:
    for backoff in (LIVE_BACKOFF, FILE_BACKOFF):
        wait_s = backoff.wait_s(failures, chance)
        assert 0.7 * backoff.least_s <= wait_s <= 1.3 * backoff.most_s
        assert backoff.wait_s(failures + 1, chance) >= wait_s


def test_trouble_is_told_once_then_now_and_then_and_when_it_is_over() -> None:
    logger = CapturingLogger()
    it = Trouble("no pictures", stream="gate")
    it._log = logger
    for now in (0.0, 1.0, 2.0, REMIND_S, REMIND_S + 1):
        it.report("away", now=now)
    it.report("asleep", now=REMIND_S + 2)
    it.over()
    it.over()
    assert [(call.method_name, call.kwargs.get("reason")) for call in logger.calls] == [
        ("warning", "away"),
        ("warning", "away"),
        ("warning", "asleep"),
        ("info", None),
    ]
