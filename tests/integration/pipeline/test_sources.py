"""Sources say clearly what is wrong with them, in bounded time, and come back by themselves."""

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from structlog.testing import CapturingLogger

from pipeline import sources
from pipeline.feed import Backoff, Feed
from pipeline.sources import Shot, VideoSource
from samples.catalog import FOOTAGE
from samples.rtsp import Mount, RtspServer
from wire.clock import SystemClock
from wire.errors import Retryable
from wire.streams import Pace, StreamSpec

SECONDS = 48


def played(source: str, *, seconds: float | None = None, **changes: Any) -> list[Shot]:
    """Play a source to its end, or for some seconds; return its pictures."""
    terms = {"fps": 5, "loop": False, "pace": Pace.FAST} | changes
    spec = StreamSpec(
        stream="gate", account="acme", source=source, model="m", height=32, width=32, **terms
    )
    shots: list[Shot] = []
    stopped = threading.Event()
    timer = threading.Timer(seconds or 60, stopped.set)
    timer.start()
    try:
        VideoSource(spec, SystemClock()).play(shots.append, stopped)
    finally:
        timer.cancel()
    return shots


@pytest.fixture
def matroska(tmp_path: Path) -> Path:
    """Give the footage in a container that can be read from any piece of it."""
    path = tmp_path / "park.mkv"
    with av.open(str(FOOTAGE)) as source, av.open(str(path), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    return path


@pytest.fixture
def web(matroska: Path) -> Iterator[str]:
    """Give the URL of a plain web server, which cannot seek, with the footage."""
    handler = partial(_Quiet, directory=str(matroska.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> CapturingLogger:
    """Give what the sources log."""
    logger = CapturingLogger()
    monkeypatch.setattr(sources, "log", logger)
    return logger


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "READ_WAIT_S_MAX", 1.0)
    monkeypatch.setattr(sources, "OPEN_WAIT_S_MAX", 1.0)


def test_a_file_is_sampled_from_its_beginning_to_its_end() -> None:
    shots = played(str(FOOTAGE))
    assert len(shots) == SECONDS * 5
    assert shots[0].picture.shape == (576, 768, 3)


def test_a_file_starts_where_it_was_told_to() -> None:
    assert len(played(str(FOOTAGE), start_s=40)) == 40
    assert len(played(FOOTAGE.as_uri(), start_s=40)) == 40


def test_a_looped_file_goes_on_from_its_beginning_at_the_same_rate() -> None:
    shots = played(str(FOOTAGE), start_s=SECONDS + 47.0, loop=True, pace=Pace.REALTIME, seconds=2.5)
    assert 11 <= len(shots) <= 13


def test_real_time_pictures_are_stamped_when_they_are_played() -> None:
    shots = played(str(FOOTAGE), pace=Pace.REALTIME, seconds=1.5)
    gaps = [
        (after.captured_at - before.captured_at).total_seconds()
        for before, after in pairwise(shots)
    ]
    assert len(gaps) >= 5 and all(0.1 < gap < 0.4 for gap in gaps)


def test_what_is_not_a_video_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "letter.mp4"
    path.write_text("Dear camera, " * 500)
    with pytest.raises(Retryable, match=r"letter\.mp4: this is not a video"):
        played(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Retryable, match=r"gone\.mp4: No such file"):
        played(str(tmp_path / "gone.mp4"))


def test_a_start_beyond_the_end_is_called_so() -> None:
    with pytest.raises(Retryable, match=r"no pictures from 99\.0 s on"):
        played(str(FOOTAGE), start_s=99)


def test_half_a_video_gives_half_of_its_pictures(matroska: Path, said: CapturingLogger) -> None:
    matroska.write_bytes(matroska.read_bytes()[: matroska.stat().st_size // 2])
    assert 60 <= len(played(str(matroska))) <= 180
    assert ["should last 48.0 s" in call.kwargs["what"] for call in said.calls] == [True]


def test_a_video_cut_before_its_index_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(FOOTAGE.read_bytes()[:500_000])
    with pytest.raises(Retryable, match="not a video"):
        played(str(path))


def test_damage_in_the_middle_costs_only_what_is_damaged(
    matroska: Path, said: CapturingLogger
) -> None:
    data = bytearray(matroska.read_bytes())
    chance = random.Random(1)
    for _ in range(400):
        data[chance.randrange(5_000, len(data))] ^= 0xFF
    matroska.write_bytes(bytes(data))
    assert len(played(str(matroska))) > SECONDS * 5 / 2
    assert [call.args for call in said.calls] == [("a source is damaged",)]


def test_a_recording_on_a_web_server_is_paced_like_a_file(web: str) -> None:
    assert 6 <= len(played(f"{web}/park.mkv", pace=Pace.REALTIME, seconds=2.0)) <= 11
    assert len(played(f"{web}/park.mkv")) == SECONDS * 5


def test_a_page_that_is_missing_is_called_so(web: str) -> None:
    with pytest.raises(Retryable, match="404"):
        played(f"{web}/nowhere.mp4")


def test_a_port_where_nobody_listens_is_refused_without_telling_the_password() -> None:
    with pytest.raises(Retryable, match="refused") as caught:
        played("rtsp://user:secret@127.0.0.1:9/gate")
    assert "secret" not in str(caught.value)


def test_a_camera_gives_its_pictures_at_the_wanted_rate(cameras: RtspServer) -> None:
    shots = played(cameras.url("gate"), seconds=3.6)
    assert 12 <= len(shots) <= 22


def test_a_camera_that_hangs_up_is_noticed(cameras: RtspServer) -> None:
    threading.Timer(1.5, cameras.drop_clients).start()
    with pytest.raises(Retryable, match="ended the connection"):
        played(cameras.url("gate"))


@pytest.mark.usefixtures("impatient")
def test_a_camera_that_falls_silent_is_given_up_in_bounded_time(cameras: RtspServer) -> None:
    threading.Timer(1.5, cameras.freeze).start()
    began_s = time.monotonic()
    with pytest.raises(Retryable, match="no answer in time"):
        played(cameras.url("gate"))
    assert time.monotonic() - began_s < 1.5 + 2 * sources.READ_WAIT_S_MAX + 2
    with pytest.raises(Retryable, match="no video came in time"):
        played(cameras.url("gate"))
    cameras.thaw()


async def test_a_camera_that_restarts_comes_back_and_its_neighbour_never_notices() -> None:
    mounts = {"gate": Mount(path=FOOTAGE)}
    shots: dict[str, list[float]] = {"gate": [], "road": []}
    first, neighbour = RtspServer(mounts), RtspServer(mounts)
    port = int(first.url("gate").rsplit(":", 1)[1].split("/")[0])
    feeds = [_feed("gate", first.url("gate"), shots), _feed("road", neighbour.url("gate"), shots)]
    with neighbour:
        first.start()
        for feed in feeds:
            feed.start()
        await _pictures(shots["gate"], 3)
        first.stop()
        gone = len(shots["gate"])
        await asyncio.sleep(1.5)
        with RtspServer(mounts, port=port):
            await _pictures(shots["gate"], gone + 3)
            for feed in feeds:
                feed.stop()
            await asyncio.sleep(0.3)
    pauses = [after - before for before, after in pairwise(shots["road"])]
    assert max(pauses) < 1.0


def _feed(stream: str, source: str, shots: dict[str, list[float]]) -> Feed:
    spec = StreamSpec(
        stream=stream, account="acme", source=source, model="m", height=32, width=32, fps=10
    )
    clock = SystemClock()
    return Feed(
        stream,
        VideoSource(spec, clock),
        backoff=Backoff(least_s=0.2, most_s=0.4),
        clock=clock,
        deliver=lambda _: shots[stream].append(clock.monotonic()),
        ended=lambda: None,
    )


async def _pictures(shots: list[float], count: int) -> None:
    async with asyncio.timeout(15):
        while len(shots) < count:  # noqa: ASYNC110  (a plain list, filled by a thread)
            await asyncio.sleep(0.05)
