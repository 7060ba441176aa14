"""Free loopback ports, below the range from which the system takes ports for outgoing connections.

A port from that range could be taken by any client while its server is being restarted.
"""

import random
import socket
from collections.abc import Collection

from wire.errors import Misconfigured

LOOPBACK = "127.0.0.1"
FIRST = 20_000
LAST = 31_999
ATTEMPTS_MAX = 200


def free_port(taken: Collection[int] = ()) -> int:
    """Return a port on which nothing listens, none of `taken`."""
    for _ in range(ATTEMPTS_MAX):
        port = random.randint(FIRST, LAST)  # noqa: S311  (no secret)
        if port not in taken and is_free(port):
            return port
    raise Misconfigured(
        f"no free port found on {LOOPBACK} between {FIRST} and {LAST};"
        " stop something, or configure the services by environment"
    )


def is_free(port: int) -> bool:
    """Return whether a server could listen on `port` now."""
    with socket.socket() as probe:
        # As servers do: connections that are closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
