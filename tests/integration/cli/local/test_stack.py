"""The life of a stack: start, adopt, stop, and launchers that die."""

import json
import signal
import time
from pathlib import Path

import pytest

from cli.local import child
from cli.local.stack import LocalStack
from tests.integration.cli.local.conftest import Launchers
from tests.integration.cli.local.launcher import NO_KAFKA

pytestmark = pytest.mark.integration
NAMES = ("kafka", "postgres", "redis")


def pids(stack: LocalStack) -> dict[str, int]:
    return {it.name: it.pid for it in stack.status() if it.pid is not None}


def families(stack: LocalStack) -> set[int]:
    return {member for pid in pids(stack).values() for member in child.family(pid)}


def alive(members: set[int]) -> set[int]:
    return {pid for pid in members if child.facts(pid) is not None}


def test_a_stop_leaves_no_process_and_a_start_finds_the_same_addresses(folder: Path) -> None:
    stack = LocalStack(folder)
    first = stack.start()
    members = families(stack)
    assert [it.state for it in stack.status()] == ["running"] * 3
    assert len(members) > 3
    stack.stop()
    assert alive(members) == set()
    assert [it.state for it in stack.status()] == ["stopped"] * 3
    assert stack.known_addresses() == {}
    assert stack.start() == first
    assert stack.known_addresses() == first.as_environment()


def test_a_killed_launcher_leaves_servers_that_the_next_start_adopts(
    folder: Path, launchers: Launchers
) -> None:
    launcher = launchers.open("hold")
    addresses = launchers.addresses(launcher)
    stack = LocalStack(folder)
    before = pids(stack)
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    assert stack.start().as_environment() == addresses
    assert pids(stack) == before
    members = families(stack)
    stack.stop()
    assert alive(members) == set()


def test_a_launcher_killed_while_starting_is_no_obstacle(
    folder: Path, launchers: Launchers
) -> None:
    launcher = launchers.open("light")
    pid_file = folder / "redis.pid"
    while not pid_file.exists():
        assert launcher.poll() is None
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    stack = LocalStack(folder, NO_KAFKA)
    stack.start()
    assert [it.state for it in stack.status()] == ["configured", "running", "running"]


def test_of_two_launchers_one_starts_and_both_get_the_addresses(
    folder: Path, launchers: Launchers
) -> None:
    both = [launchers.open("light"), launchers.open("light")]
    first, second = (launchers.addresses(it) for it in both)
    assert first == second
    assert [it.wait() for it in both] == [0, 0]


def test_servers_that_are_to_die_with_their_launcher_do(folder: Path, launchers: Launchers) -> None:
    launcher = launchers.open("hold", "dies", "light")
    launchers.addresses(launcher)
    stack = LocalStack(folder, NO_KAFKA)
    members = families(stack)
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    while alive(members):
        time.sleep(0.05)
    assert stack.known_addresses() == {}


def test_a_recycled_pid_is_never_signalled(folder: Path, launchers: Launchers) -> None:
    stranger = launchers.open("hold", "light")
    assert launchers.addresses(stranger)["FRAMEMETER_KAFKA"] == NO_KAFKA["FRAMEMETER_KAFKA"]
    stack = LocalStack(folder, NO_KAFKA)
    stack.stop()
    for name in NAMES:
        (folder / f"{name}.pid").write_text(
            json.dumps({"pid": stranger.pid, "started": "another boot 17"})
        )
    assert [it.state for it in stack.status()] == ["configured", "stopped", "stopped"]
    stack.kill("postgres")
    stack.stop()
    assert stranger.poll() is None
