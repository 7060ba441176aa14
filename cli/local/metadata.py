"""One question to a Kafka broker in its own protocol: who are the brokers?

An open port says little: a broker listens before it is registered, and something else may
listen there. A metadata answer that names this very address means that clients can work.
"""

import socket
import struct

METADATA = 3
VERSION = 1
CORRELATION = 7
TIMEOUT_S = 2.0
ANSWER_BYTES_MAX = 1_048_576


def fault(host: str, port: int) -> str | None:
    """Return None when the broker at `host:port` is alive in its cluster, else what is wrong."""
    try:
        brokers = parse_brokers(ask(host, port))
    except (OSError, ValueError, struct.error) as error:
        return f"no answer from {host}:{port} ({error})"
    if not brokers:
        return "the broker has not joined its cluster yet"
    if (host, port) not in brokers:
        return f"{host}:{port} belongs to another cluster"
    return None


def request() -> bytes:
    """Return a metadata request (version 1) for no topics at all."""
    client = b"framemeter"
    body = struct.pack(">hhih", METADATA, VERSION, CORRELATION, len(client)) + client
    body += struct.pack(">i", 0)
    return struct.pack(">i", len(body)) + body


def parse_brokers(answer: bytes) -> list[tuple[str, int]]:
    """Return host and port of each broker in a metadata answer (version 1)."""
    correlation, count = struct.unpack_from(">ii", answer)
    if correlation != CORRELATION:
        raise ValueError("this is not Kafka")
    brokers, at = [], 8
    for _ in range(count):
        (size,) = struct.unpack_from(">h", answer, at + 4)
        host = answer[at + 6 : at + 6 + size].decode()
        port, rack_size = struct.unpack_from(">ih", answer, at + 6 + size)
        brokers.append((host, port))
        at += 12 + size + max(rack_size, 0)
    return brokers


def ask(host: str, port: int) -> bytes:
    """Return the broker's answer to `request`. Raises `OSError` or `ValueError`."""
    with socket.create_connection((host, port), TIMEOUT_S) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.sendall(request())
        (size,) = struct.unpack(">i", _read(connection, 4))
        if not 8 <= size <= ANSWER_BYTES_MAX:
            raise ValueError("this is not Kafka")
        return _read(connection, size)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ValueError("the connection ended")
        data += part
    return data
