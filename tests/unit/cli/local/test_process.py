"""One server process."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.local.process import Launch, ServerProcess, tail


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(
        name="server",
        pid_file=tmp_path / "server.pid",
        log=tmp_path / "server.log",
        stop_signal=signal.SIGTERM,
    )
    yield made
    made.kill()


def start(server: ServerProcess, code: str) -> None:
    launch = Launch(command=[sys.executable, "-c", code], folder=server.log.parent)
    server.start(launch, dies_with_parent=False)


def test_a_server_names_itself_and_leaves_no_pid_file_when_stopped(server: ServerProcess) -> None:
    start(server, "import time; time.sleep(60)")
    pid = server.pid()
    assert pid == json.loads(server.pid_file.read_text())["pid"]
    server.stop()
    assert server.pid() is None
    assert not server.pid_file.exists()


def test_another_launcher_finds_and_stops_it(server: ServerProcess) -> None:
    start(server, "import time; time.sleep(60)")
    other = ServerProcess(
        name="server", pid_file=server.pid_file, log=server.log, stop_signal=signal.SIGTERM
    )
    assert other.pid() == server.pid()
    other.stop()
    assert server.pid() is None


def test_a_server_that_ignores_the_stop_is_killed(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.local.process.STOP_TIMEOUT_S", 0.2)
    ready = server.log.parent / "ready"
    start(
        server,
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)",
    )
    while not ready.exists():
        assert server.pid() is not None
    server.stop()
    assert server.pid() is None


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait a bounded while for what the system does soon."""
    deadline = time.monotonic() + 5.0
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_paused_server_can_be_resumed_and_stopped(server: ServerProcess) -> None:
    start(server, "import time; time.sleep(60)")
    server.pause()
    wait_until(server.is_paused)  # a busy machine stops it a moment later
    server.resume()
    wait_until(lambda: not server.is_paused())
    server.pause()
    server.stop()
    assert server.pid() is None


def test_the_pid_of_a_stranger_is_not_signalled(server: ServerProcess) -> None:
    server.pid_file.write_text(json.dumps({"pid": os.getpid(), "started": "another boot 1"}))
    assert server.pid() is None
    server.kill()  # would be the end of this test run
    server.pid_file.write_text(json.dumps({"pid": os.getpid(), "started": "another boot 1"}))
    server.stop()


@pytest.mark.parametrize("text", ["", "{", "[]", "17", '{"pid": "x", "started": 1}', "{}"])
def test_a_spoiled_pid_file_names_nobody(server: ServerProcess, text: str) -> None:
    server.pid_file.write_text(text)
    assert server.pid() is None


def test_a_program_that_is_not_there_is_named_in_the_log(server: ServerProcess) -> None:
    launch = Launch(command=["/no/such/program"], folder=server.log.parent)
    server.start(launch, dies_with_parent=False)
    while server.pid() is not None:
        pass
    assert "cannot run /no/such/program" in tail(server.log)


def test_the_log_of_the_previous_life_is_kept(server: ServerProcess) -> None:
    server.log.write_text("before\n")
    start(server, "import time; time.sleep(60)")
    assert server.log.with_suffix(".log.1").read_text() == "before\n"


def test_the_tail_is_short_and_says_when_there_is_none(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert "is empty" in tail(log)
    log.write_text("".join(f"line {number}\n" for number in range(5_000)))
    assert tail(log).splitlines()[-1] == "  line 4999"
    assert len(tail(log).splitlines()) == 15
