"""What a data folder remembers between launchers, and the lock that lets one launcher act.

`stack.json` holds the ports; who runs is in the pid files, which the servers write themselves.
"""

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli.local.service import make_folder
from wire.errors import Misconfigured, Retryable

LOCK_TIMEOUT_S = 180.0
LOCK_POLL_S = 0.1


def read_ports(folder: Path) -> dict[str, int]:
    """Return the ports by name that were chosen for `folder`; none if it is new."""
    file = folder / "stack.json"
    try:
        ports = json.loads(file.read_text())["ports"]
        return {str(name): int(port) for name, port in ports.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Misconfigured(f"{file} cannot be read ({error}); remove it") from error


def write_ports(folder: Path, ports: Mapping[str, int]) -> None:
    """Remember the ports; a crash leaves the old file or the new one."""
    fresh = folder / "stack.json.new"
    fresh.write_text(json.dumps({"ports": dict(ports)}, indent=2) + "\n")
    fresh.replace(folder / "stack.json")


@contextmanager
def only_launcher(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder's lock, waiting for another launcher to finish.

    Raises `Retryable` when it does not within three minutes. The lock ends with its process.
    """
    make_folder(folder)
    with (folder / "lock").open("w") as file:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        told = False
        while not _try_lock(file.fileno()):
            if not told:
                say(f"another process is starting or stopping the stack in {folder}; waiting")
                told = True
            if time.monotonic() > deadline:
                raise Retryable(f"another process still holds {folder / 'lock'}; try again")
            time.sleep(LOCK_POLL_S)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
