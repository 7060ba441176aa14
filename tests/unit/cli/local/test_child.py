"""Who a process is."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.local import child

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_process_keeps_its_start_and_another_has_another() -> None:
    mine, again = child.facts(os.getpid()), child.facts(os.getpid())
    assert mine is not None
    assert again is not None
    assert again._replace(state=mine.state) == mine, "it may run now and sleep then"
    assert mine.parent == os.getppid()
    with subprocess.Popen(SLEEP) as other:
        theirs = child.facts(other.pid)
        other.kill()
    assert theirs is not None
    assert theirs.started != mine.started
    assert theirs.parent == os.getpid()


def test_a_zombie_is_no_process() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert child.facts(process.pid) is None


def test_a_stopped_process_is_one() -> None:
    with subprocess.Popen(SLEEP) as process:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        found = child.facts(process.pid)
        process.kill()
    assert found is not None
    assert found.state.startswith("T")


def test_the_family_holds_grandchildren() -> None:
    nested = f"import subprocess; subprocess.run({SLEEP!r})"
    with subprocess.Popen([sys.executable, "-c", nested]) as process:
        while len(members := child.family(process.pid)) < 2:
            assert process.poll() is None
        assert members[0] == process.pid
        for member in reversed(members):
            os.kill(member, signal.SIGKILL)


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps here")
def test_without_proc_the_answers_are_the_same_in_kind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    by_proc = child.facts(os.getpid())
    monkeypatch.setattr(child, "PROC", tmp_path)
    by_ps = child.facts(os.getpid())
    assert by_proc is not None
    assert by_ps is not None
    assert by_ps.parent == by_proc.parent
    assert by_ps.program == by_proc.program
    again = child.facts(os.getpid())
    assert again is not None
    assert again._replace(state=by_ps.state) == by_ps, "it may run now and sleep then"
    assert os.getpid() in child.family(os.getppid())
