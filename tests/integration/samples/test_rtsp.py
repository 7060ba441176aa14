"""The RTSP camera as PyAV sees it: loops, faults, many readers."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import av
import pytest

from samples.catalog import FOOTAGE
from samples.rtsp import Mount, RtspServer
from samples.scenes import make_scene

OPTIONS = {"rtsp_transport": "tcp", "timeout": "1000000", "fpsprobesize": "0"}
TIMEOUTS_S = (5.0, 1.0)
SHORT_FRAMES = 20


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rtsp") / "short.mp4"
    make_scene(path, seed=2, seconds=1, fps=SHORT_FRAMES, width=160, height=96)
    return path


@pytest.fixture
def server(short: Path) -> Iterator[RtspServer]:
    mounts = {"gate": Mount(path=FOOTAGE, offset_s=12), "short": Mount(path=short)}
    with RtspServer(mounts) as running:
        yield running


def test_a_camera_loops_with_growing_timestamps(server: RtspServer) -> None:
    with _open(server.url("short")) as camera:
        times = _times_s(camera, 3 * SHORT_FRAMES)
    assert times == sorted(set(times))
    assert times[-1] - times[0] == pytest.approx((len(times) - 1) / SHORT_FRAMES, abs=0.02)


def test_pictures_never_come_faster_than_real_time(server: RtspServer) -> None:
    began_s = time.monotonic()
    with _open(server.url("short")) as camera:
        _times_s(camera, 3 * SHORT_FRAMES)
    assert time.monotonic() - began_s > 2.9


def test_two_mounts_are_two_cameras(server: RtspServer) -> None:
    with _open(server.url("gate")) as gate, _open(server.url("short")) as short:
        assert gate.streams.video[0].width == 768
        assert short.streams.video[0].width == 160
        assert server.clients == 2


def test_an_unknown_path_is_not_found(server: RtspServer) -> None:
    with pytest.raises(av.error.HTTPNotFoundError):
        _open(server.url("nowhere"))


def test_udp_is_refused(server: RtspServer) -> None:
    with pytest.raises(av.error.FFmpegError):
        av.open(server.url("gate"), options={"rtsp_transport": "udp"}, timeout=TIMEOUTS_S)


def test_a_frozen_camera_is_silent_and_goes_on_when_thawed(server: RtspServer) -> None:
    with _open(server.url("short")) as camera:
        _times_s(camera, 5)
        server.freeze()
        with pytest.raises(av.error.FFmpegError):
            _times_s(camera, 10 * SHORT_FRAMES)
        assert server.clients == 1
    server.thaw()
    with _open(server.url("short")) as camera:
        assert len(_times_s(camera, 5)) == 5


def test_dropped_clients_see_the_end_and_can_come_back(server: RtspServer) -> None:
    with _open(server.url("short")) as camera:
        _times_s(camera, 5)
        server.drop_clients()
        assert len(_times_s(camera, 100 * SHORT_FRAMES)) < 100 * SHORT_FRAMES
    with _open(server.url("short")) as camera:
        assert len(_times_s(camera, 5)) == 5


def test_a_client_that_leaves_without_a_word_leaves_no_thread(server: RtspServer) -> None:
    before = threading.active_count()
    with ExitStack() as clients:
        for _ in range(3):
            clients.enter_context(_play_by_hand(server.url("gate")))
        assert _becomes(lambda: threading.active_count() == before + 6)
        assert server.clients == 3
    assert _becomes(lambda: threading.active_count() == before)
    assert server.clients == 0


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\n\n", b"A" * 40_000])
def test_junk_is_answered_with_a_closed_connection(server: RtspServer, junk: bytes) -> None:
    with _connect(server.url("gate")) as client:
        client.sendall(junk)
        assert _read_all(client).startswith(b"RTSP/1.0 400") or not junk.endswith(b"\n")
    assert _becomes(lambda: server.clients == 0)


def test_stop_ends_a_frozen_server_with_clients_and_frees_the_port(short: Path) -> None:
    before = threading.active_count()
    server = RtspServer({"short": Mount(path=short)})
    server.start()
    with _play_by_hand(server.url("short")):
        server.freeze()
        server.stop()
    assert threading.active_count() == before
    with pytest.raises(OSError, match="refused"):
        _connect(server.url("short"))


def test_the_process_says_when_it_is_ready_and_stops_on_sigterm(short: Path) -> None:
    command = [sys.executable, "-m", "samples.rtsp", "--mount", f"a={short}@0.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word, url = process.stdout.readline().split()
        with _open(url) as camera:
            assert len(_times_s(camera, 3)) == 3
        process.terminate()
        assert process.wait(timeout=5) == 0
    assert word == "ready"


def _open(url: str) -> av.container.InputContainer:
    return av.open(url, options=OPTIONS, timeout=TIMEOUTS_S)


def _times_s(camera: av.container.InputContainer, count: int) -> list[float]:
    """Decode until `count` pictures had a time; the first of a stream may have none."""
    times: list[float] = []
    for frame in camera.decode(video=0):
        if frame.time is not None:
            times.append(frame.time)
        if len(times) == count:
            break
    return times


def _connect(url: str) -> socket.socket:
    host, port = url.removeprefix("rtsp://").split("/")[0].split(":")
    return socket.create_connection((host, int(port)), timeout=5)


def _play_by_hand(url: str) -> socket.socket:
    client = _connect(url)
    transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
    for request in (f"SETUP {url}/track0 RTSP/1.0\r\n{transport}", f"PLAY {url} RTSP/1.0\r\n"):
        client.sendall(f"{request}CSeq: 1\r\n\r\n".encode())
        assert b"200 OK" in client.recv(200)
    return client


def _read_all(client: socket.socket) -> bytes:
    data = b""
    try:
        while part := client.recv(4096):
            data += part
    except ConnectionResetError:
        return data
    return data


def _becomes(condition: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + 5
    while time.monotonic() < deadline_s:
        if condition():
            return True
        time.sleep(0.02)
    return False
