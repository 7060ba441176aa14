"""One question to a Kafka broker."""

import socket
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.local import metadata


def answer(brokers: list[tuple[str, int]], *, rack: bytes | None = None) -> bytes:
    body = struct.pack(">ii", metadata.CORRELATION, len(brokers))
    for number, (host, port) in enumerate(brokers):
        name = host.encode()
        body += struct.pack(">ih", number, len(name)) + name
        body += struct.pack(">ih", port, -1 if rack is None else len(rack)) + (rack or b"")
    return body + struct.pack(">ii", 1, 0)


HOSTS = st.text(min_size=1, max_size=20)


@given(
    brokers=st.lists(st.tuples(HOSTS, st.integers(0, 65_535)), max_size=4),
    rack=st.none() | st.binary(max_size=9),
)
def test_brokers_are_read_whatever_their_names(
    brokers: list[tuple[str, int]], rack: bytes | None
) -> None:
    assert metadata.parse_brokers(answer(brokers, rack=rack)) == brokers


def served(reply: bytes) -> tuple[str | None, int]:
    """Serve one connection with `reply`; return the fault that is found, and the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(reply.replace(b"PORT", struct.pack(">i", port)))

        thread = threading.Thread(target=serve)
        thread.start()
        found = metadata.fault("127.0.0.1", port)
        thread.join()
    return found, port


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (b"", "ended"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not Kafka"),
        (struct.pack(">iii", 8, 99, 0), "not Kafka"),
        (struct.pack(">iii", 8, metadata.CORRELATION, 1), "no answer"),
        (struct.pack(">i", 16) + answer([]), "not joined"),
        (struct.pack(">i", 31) + answer([("other", 1)]), "another cluster"),
    ],
)
def test_what_is_no_living_broker_is_a_fault(reply: bytes, word: str) -> None:
    found, _ = served(reply)
    assert found is not None
    assert word in found


def test_a_closed_port_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "no answer" in (metadata.fault("127.0.0.1", port) or "")
