"""A looping RTSP server that plays H.264 files as if they were cameras.

Coded pictures are copied, paced in real time and looped with growing timestamps, over TCP only.
Each client starts at its mount's offset. One thread reads a client's requests and one sends to
it; both end when the client leaves, stops reading for SEND_TIMEOUT_S, or the server stops. It
is for demos and tests on a trusted network: no authentication, no encryption.
"""

import argparse
import contextlib
import secrets
import signal
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from samples.clip import Clip, load_clip
from samples.rtp import Packetizer
from samples.rtsp_session import Answer, Session, parse_request

CLIENTS_MAX = 64
SEND_TIMEOUT_S = 10
_HEAD_SIZE_MAX = 16_384
_BODY_SIZE_MAX = 65_536
_FROZEN_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file and how many seconds into it a client begins."""

    path: Path
    offset_s: float = 0.0


class RtspServer:
    """Serves mounts in threads of this process, and fails on command."""

    def __init__(self, mounts: Mapping[str, Mount], host: str = "127.0.0.1", port: int = 0) -> None:
        """Load the files and take the port (0: any free one); `start` begins to answer."""
        clips = {name: load_clip(mount.path) for name, mount in mounts.items()}
        offsets_s = {name: mount.offset_s for name, mount in mounts.items()}
        self._tcp = _TcpServer((host, port), clips, offsets_s)
        self._thread = threading.Thread(target=self._tcp.serve_forever, args=(0.1,), daemon=True)

    def start(self) -> None:
        """Begin to accept clients."""
        self._thread.start()

    def stop(self) -> None:
        """Disconnect everyone, end all threads, free the port."""
        if self._thread.is_alive():
            self._tcp.shutdown()
        self._tcp.drop_clients()
        self._tcp.server_close()

    def url(self, name: str) -> str:
        """Return the address of a mount."""
        host, port = self._tcp.server_address[:2]
        return f"rtsp://{host!s}:{port}/{name}"

    @property
    def clients(self) -> int:
        """Return how many are connected."""
        return self._tcp.client_count()

    def freeze(self) -> None:
        """Fall silent but keep every socket open, as a camera that hangs."""
        self._tcp.flowing.clear()

    def thaw(self) -> None:
        """Go on where `freeze` stopped."""
        self._tcp.flowing.set()

    def drop_clients(self) -> None:
        """Close every connection, as a camera that restarts."""
        self._tcp.drop_clients()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False  # so that server_close waits for every client's threads
    request_queue_size = CLIENTS_MAX

    def __init__(
        self, address: tuple[str, int], clips: Mapping[str, Clip], offsets_s: Mapping[str, float]
    ) -> None:
        self.clips = clips
        self.offsets_s = offsets_s
        self.flowing = threading.Event()
        self.flowing.set()
        self._lock = threading.Lock()
        self._clients: set[_Client] = set()
        super().__init__(address, _Client)

    def admit(self, client: "_Client") -> bool:
        with self._lock:
            if len(self._clients) >= CLIENTS_MAX:
                return False
            self._clients.add(client)
            return True

    def forget(self, client: "_Client") -> None:
        with self._lock:
            self._clients.discard(client)

    def client_count(self) -> int:
        with self._lock:
            return len(self._clients)

    def drop_clients(self) -> None:
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.hang_up()


class _Client(socketserver.StreamRequestHandler):
    """One connection: this thread reads, a second one sends pictures."""

    server: _TcpServer

    def setup(self) -> None:
        super().setup()
        self._gone = threading.Event()
        self._sending = threading.Lock()
        self._session = Session(clips=self.server.clips, session_id=secrets.token_hex(8))
        self._sender = threading.Thread(target=self._send_pictures)
        timeout = struct.pack("ll", SEND_TIMEOUT_S, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)

    def handle(self) -> None:
        if not self.server.admit(self):
            return
        try:
            with contextlib.suppress(OSError):  # the client went away; nothing to do about it
                self._answer_requests()
        finally:
            self.hang_up()
            if self._sender.ident is not None:
                self._sender.join()
            self.server.forget(self)

    def hang_up(self) -> None:
        """End both threads; may be called from any."""
        self._gone.set()
        with contextlib.suppress(OSError):  # it was closed already
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer_requests(self) -> None:
        while (head := self._read_head()) is not None:
            request = parse_request(head)
            if request is None:
                self._send(Answer(status=400).encode("0"))
                return
            self.rfile.read(min(request.body_size, _BODY_SIZE_MAX))
            answer = self._session.answer(request)
            self._send(answer.encode(request.headers.get("cseq", "0")))
            if answer.play:
                self._sender.start()
            if answer.end:
                return

    def _read_head(self) -> bytes | None:
        """Return the next request's line and headers; None at the end or when it is too long."""
        head = b""
        while len(head) < _HEAD_SIZE_MAX:
            first = self.rfile.read(1)
            if first == b"$" and not head:
                _, length = struct.unpack(">BH", self.rfile.read(3))
                self.rfile.read(length)  # the reader's own reports about reception
                continue
            line = first + self.rfile.readline(_HEAD_SIZE_MAX) if first != b"\n" else first
            if not line:
                return None
            if line.strip():
                head += line
            elif head:
                return head
        return None

    def _send_pictures(self) -> None:
        assert self._session.mount is not None, "PLAY is answered only after SETUP"
        clip = self.server.clips[self._session.mount]
        packetizer = Packetizer(
            channel=self._session.channel,
            source=secrets.randbits(32),
            sequence=secrets.randbits(16),
            timestamp=1 + secrets.randbits(16),
        )
        origin_s = time.monotonic()
        try:
            for unit in clip.endless(self.server.offsets_s[self._session.mount]):
                if self._gone.wait(max(0.0, origin_s + unit.decode_s - time.monotonic())):
                    return
                origin_s += self._send(packetizer.interleaved(unit.nals, unit.present_s))
        except OSError:
            return  # it left, or stopped reading
        finally:
            self.hang_up()

    def _send(self, data: bytes) -> float:
        """Send, after the server has thawed; return the seconds that it was frozen."""
        began_s = time.monotonic()
        frozen = False
        while not self.server.flowing.wait(_FROZEN_POLL_S):
            frozen = True
            if self._gone.is_set():
                raise ConnectionAbortedError
        with self._sending:
            self.connection.sendall(data)
        return time.monotonic() - began_s if frozen else 0.0


def parse_mount(text: str) -> tuple[str, Mount]:
    """Read `name=FILE` or `name=FILE@OFFSET`, the offset in seconds."""
    name, equals, rest = text.partition("=")
    if not (name and equals and rest):
        raise argparse.ArgumentTypeError(f"{text!r} is not name=FILE@OFFSET")
    file, at, offset = rest.rpartition("@")
    if at:
        with contextlib.suppress(ValueError):  # the @ belongs to the file's name
            return name, Mount(path=Path(file), offset_s=float(offset))
    return name, Mount(path=Path(rest))


def main() -> None:
    """Serve files until SIGTERM or SIGINT; print `ready` and the addresses when it can be used."""
    parser = argparse.ArgumentParser(prog="python -m samples.rtsp", description=main.__doc__)
    parser.add_argument(
        "--mount", type=parse_mount, action="append", required=True, metavar="NAME=FILE@OFFSET"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    asked = parser.parse_args()
    mounts = dict(asked.mount)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with RtspServer(mounts, asked.host, asked.port) as server:
        sys.stdout.write("ready " + " ".join(server.url(name) for name in mounts) + "\n")
        sys.stdout.flush()
        stopped.wait()


if __name__ == "__main__":
    main()
