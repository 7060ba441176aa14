"""The container's health check: 0 for an answer, 1 and the reason for everything else."""

import http.server
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from wire import probe


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names, or with what is not HTTP at all."""

    def do_GET(self) -> None:
        if self.path == "/garbage":
            self.wfile.write(b"\x00\x01 this is not http\r\n\r\n")
            return
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server on loopback; its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 204])
def test_an_answer_is_health(server: str, status: int) -> None:
    assert probe.probe(f"{server}/{status}") is None


@pytest.mark.parametrize("path", ["404", "500", "503", "garbage"])
def test_any_other_answer_is_not(server: str, path: str) -> None:
    assert f"/{path}: " in (probe.probe(f"{server}/{path}") or "")


@pytest.mark.parametrize(
    "url",
    ["", "file:///etc/hostname", "ftp://x", "http://", "http://[::1", "http://127.0.0.1:port/"],
)
def test_an_address_that_is_none_is_a_reason_not_a_traceback(url: str) -> None:
    assert probe.probe(url)


def test_nobody_at_home_is_a_reason(unused_tcp_port: int) -> None:
    assert "refused" in (probe.probe(f"http://127.0.0.1:{unused_tcp_port}/") or "")


def test_silence_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "timed out" in (probe.probe(f"http://127.0.0.1:{silent.getsockname()[1]}/") or "")


def test_the_exit_code_is_the_answer(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = []
    for status in (200, 500):
        monkeypatch.setattr(sys, "argv", ["probe", f"{server}/{status}"])
        with pytest.raises(SystemExit) as caught:
            probe.main()
        codes.append(caught.value.code)
    assert codes[0] is None
    assert str(codes[1]).startswith(f"{server}/500: HTTP Error 500")


def test_it_needs_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["probe"])
    with pytest.raises(SystemExit, match="usage"):
        probe.main()
