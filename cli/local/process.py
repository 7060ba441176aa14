"""One server process: started in its own session, found again by a later launcher.

The pid file names a process by pid and start; a pid that the system has given to someone else
since is never signalled. Signals for stopping, killing and pausing reach the whole family.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.local import child
from cli.local.child import die_with_parent
from wire.errors import Misconfigured

__all__ = ["Launch", "ServerProcess", "die_with_parent", "tail"]

STOP_TIMEOUT_S = 15.0
KILL_TIMEOUT_S = 10.0
PID_FILE_TIMEOUT_S = 15.0
PID_FILE_POLL_S = 0.002
POLL_S = 0.02
LOG_TAIL_LINES = 15
LOG_TAIL_BYTES = 16_384

Member = tuple[int, str]
"""A process named for good: pid and start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a server: the command, where, as whom."""

    command: Sequence[str]
    folder: Path
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProcess:
    """A server with its pid file and its log."""

    name: str
    pid_file: Path
    log: Path
    stop_signal: signal.Signals

    def start(self, launch: Launch, *, dies_with_parent: bool) -> None:
        """Start the server; its output goes to the log, the previous log is kept as `.1`.

        A server that dies with its parent does so when the calling *thread* ends.
        """
        assert self.pid() is None, f"{self.name} runs already"
        self.pid_file.unlink(missing_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                shim(self.pid_file, launch, dies_with_parent=dies_with_parent),
                cwd=launch.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # A thread reaps it, whoever stops it: a zombie would keep its pid and look alive.
        threading.Thread(target=process.wait, name=f"reap {self.name}", daemon=True).start()
        deadline = time.monotonic() + PID_FILE_TIMEOUT_S
        while not self.pid_file.exists() and process.poll() is None:
            if time.monotonic() > deadline:
                raise Misconfigured(f"{self.name} cannot write {self.pid_file}")
            time.sleep(PID_FILE_POLL_S)

    def pid(self) -> int | None:
        """Return the pid of the running server, or None."""
        try:
            noted = json.loads(self.pid_file.read_text())
            pid, started = int(noted["pid"]), str(noted["started"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        found = child.facts(pid)
        return pid if found is not None and found.started == started else None

    def is_paused(self) -> bool:
        """Return whether the server is stopped by SIGSTOP."""
        pid = self.pid()
        found = None if pid is None else child.facts(pid)
        return found is not None and found.state.startswith("T")

    def stop(self, number: signal.Signals | None = None) -> None:
        """Ask the server to stop, kill what is still there after a while, and wait for it.

        `number` takes the place of the signal that asks for an orderly stop.
        """
        pid = self.pid()
        if pid is not None:
            members = _named(child.family(pid))
            self.resume()
            _signal([pid], number or self.stop_signal)
            if not _gone(members, STOP_TIMEOUT_S):
                self.kill()
                _signal([pid for pid, _ in _alive(members)], signal.SIGKILL)
                _gone(members, KILL_TIMEOUT_S)
        self.pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """SIGKILL the server and its family, as a failing machine would."""
        pid = self.pid()
        if pid is not None:
            _signal([pid], signal.SIGSTOP)  # so that no new child appears meanwhile
            members = _named(child.family(pid))
            _signal([pid for pid, _ in members], signal.SIGKILL)
            if not _gone(members, KILL_TIMEOUT_S):
                raise Misconfigured(f"{self.name} (pid {pid}) cannot be killed; is its disk gone?")
        self.pid_file.unlink(missing_ok=True)

    def pause(self) -> None:
        """SIGSTOP the server and its family: open sockets, no answers."""
        if (pid := self.pid()) is not None:
            _signal([pid], signal.SIGSTOP)
            _signal(child.family(pid)[1:], signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT the server and its family."""
        if (pid := self.pid()) is not None:
            _signal(reversed(child.family(pid)), signal.SIGCONT)


def shim(pid_file: Path, launch: Launch, *, dies_with_parent: bool) -> list[str]:
    """Return the command that writes the pid file and then becomes the launch's command."""
    parent = os.getpid() if dies_with_parent else 0
    start = [sys.executable, "-I", "-S", child.__file__, str(pid_file), str(parent), launch.user]
    return [*start, *launch.command]


def tail(log: Path) -> str:
    """Return the last lines of a log, indented; a note when there is nothing."""
    if not log.exists() or not log.stat().st_size:
        return f"  ({log} is empty)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-LOG_TAIL_LINES:])


def _named(pids: Iterable[int]) -> list[Member]:
    found = ((pid, child.facts(pid)) for pid in pids)
    return [(pid, known.started) for pid, known in found if known is not None]


def _alive(members: Iterable[Member]) -> list[Member]:
    return [
        (pid, started)
        for pid, started in members
        if (found := child.facts(pid)) is not None and found.started == started
    ]


def _gone(members: Sequence[Member], timeout_s: float) -> bool:
    """Wait until no member is left; return whether that came true."""
    deadline = time.monotonic() + timeout_s
    while _alive(members):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
