"""A process stops when it is told to, and says in one line what is wrong with its settings."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from wire.errors import Misconfigured, Rejected, Retryable
from wire.process import (
    event_or_timeout,
    or_stop_all,
    read_settings,
    retry_until_stop,
    run,
    wait_or_stop,
)
from wire.settings import WireSettings

WAITS = """
import asyncio
import contextlib
from wire.process import run

async def main(stop):
    print("ready", flush=True)
    await stop.wait()
    print("stopping in order", flush=True)

run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_process_in_order(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(number)
        output, _ = child.communicate(timeout=30)
    assert output == b"stopping in order\n"
    assert child.returncode == 0


def test_a_second_interrupt_ends_a_process_that_does_not_stop() -> None:
    stubborn = WAITS.replace('print("stopping in order", flush=True)', "print('x', flush=True)")
    stubborn = stubborn.replace("run(main)", "") + "    await asyncio.sleep(60)\n\nrun(main)\n"
    with subprocess.Popen(
        [sys.executable, "-c", stubborn], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == b"x\n"
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=30)
    assert b"KeyboardInterrupt" in errors
    assert child.returncode != 0


def raising(error: BaseException) -> Callable[[asyncio.Event], object]:
    """Return a main that fails at once."""

    async def main(stop: asyncio.Event) -> None:
        raise error

    return main


def exit_message(error: BaseException) -> object:
    """Return what a process that fails in this way writes when it exits with code 1."""
    with pytest.raises(SystemExit) as caught:
        run(raising(error))  # type: ignore[arg-type]
    return caught.value.code


def test_a_misconfigured_process_exits_with_the_message_and_code_1() -> None:
    program = (
        "from wire.errors import Misconfigured\nfrom wire.process import run\n"
        "async def main(stop): raise Misconfigured('set FRAMEMETER_KAFKA')\nrun(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (1, "framemeter: set FRAMEMETER_KAFKA\n")


def test_a_mistake_found_inside_a_task_group_is_told_as_plainly() -> None:
    inner = BaseExceptionGroup("inner", [Misconfigured("second")])
    assert exit_message(Misconfigured("first")) == "framemeter: first"
    assert (
        exit_message(BaseExceptionGroup("outer", [Misconfigured("first"), inner]))
        == "framemeter: first; second"
    )


@pytest.mark.parametrize(
    "error",
    [
        Rejected("x"),
        ExceptionGroup("all", [Rejected("x")]),
        ExceptionGroup("all", [Misconfigured("y"), Rejected("x")]),
    ],
)
def test_any_other_error_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        run(raising(error))  # type: ignore[arg-type]


def test_bad_settings_are_named_by_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEMETER_PARTITIONS", "sesame")
    monkeypatch.setenv("FRAMEMETER_LOG_LEVEL", "loud")
    with pytest.raises(SystemExit) as caught:
        read_settings(WireSettings)
    message = str(caught.value.code)
    assert "FRAMEMETER_PARTITIONS: " in message
    assert "FRAMEMETER_LOG_LEVEL: " in message
    assert "sesame" not in message
    assert "\n" not in message


def test_good_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEMETER_PARTITIONS", "3")
    assert read_settings(WireSettings).partitions == 3


async def test_a_wait_ends_early_when_the_process_is_to_stop() -> None:
    stop = asyncio.Event()
    assert await wait_or_stop(stop, 0.001) is False
    stop.set()
    assert await wait_or_stop(stop, 3_600) is True


async def test_what_is_away_is_tried_again_until_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    async def record(stop: asyncio.Event, seconds: float) -> bool:
        waits.append(seconds)
        return False

    monkeypatch.setattr("wire.process.wait_or_stop", record)

    async def attempt() -> str:
        if len(waits) < 9:
            raise Retryable("away")
        return "here"

    assert await retry_until_stop(attempt, stop=asyncio.Event(), what="a thing") == "here"
    assert 0.1 < waits[0] < 0.3
    assert 3.4 < waits[-1] < 6.6
    assert len(waits) == 9


async def test_trying_again_ends_when_the_process_is_to_stop() -> None:
    stop = asyncio.Event()

    async def attempt() -> None:
        stop.set()
        raise Retryable("away")

    assert await retry_until_stop(attempt, stop=stop, what="a thing") is None


async def test_what_cannot_help_is_not_tried_again() -> None:
    async def attempt() -> None:
        raise Misconfigured("wrong password")

    with pytest.raises(Misconfigured):
        await retry_until_stop(attempt, stop=asyncio.Event(), what="a thing")


@pytest.mark.parametrize("rounds", [0, 1, 2])
async def test_a_cancellation_that_comes_with_the_event_is_not_lost(rounds: int) -> None:
    event = asyncio.Event()
    task = asyncio.create_task(event_or_timeout(event, 60))
    await asyncio.sleep(0.001)
    event.set()
    for _ in range(rounds):
        await asyncio.sleep(0)
    was_waiting = task.cancel()
    await asyncio.wait({task})
    assert task.cancelled() == was_waiting


async def test_an_event_is_told_from_a_timeout() -> None:
    event = asyncio.Event()
    assert not await event_or_timeout(event, 0.001)
    event.set()
    assert await event_or_timeout(event, 60)


async def test_what_fails_stops_those_that_ignore_a_cancellation() -> None:
    stop = asyncio.Event()

    async def deaf() -> None:
        while not stop.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await stop.wait()

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("broken")

    with pytest.raises(ExceptionGroup):
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(or_stop_all(deaf(), stop=stop))
            group.create_task(or_stop_all(failing(), stop=stop))
