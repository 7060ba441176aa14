"""Where pictures come from: files, RTSP cameras, HTTP streams, all read by PyAV.

`play` blocks the one thread that decodes a source and delivers the pictures that sampling wants.
It returns when a file that is played once has ended, and raises `Retryable`, with a sentence that
says what is wrong, when the source is away, is no video, hangs (within twice its timeouts) or ends.
Live pictures are stamped when they arrive, recorded ones when they are played.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import av
import av.error
import numpy as np
import structlog
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from pipeline.encode import Picture
from pipeline.motion import Sight
from pipeline.sampling import Sampler
from wire.clock import Clock
from wire.errors import Retryable
from wire.streams import Pace, StreamSpec

OPEN_WAIT_S_MAX = 5.0
READ_WAIT_S_MAX = 3.0
PROBE_S_MAX = 0.5
"""How much of a camera's stream is looked at before the first picture is given out."""
LATE_S_MAX = 0.5
"""A file that is played later than this is no longer caught up with."""
SHORT_SHARE = 0.9
"""A recording that ends before this share of its stated length is called damaged."""
BAD_PACKETS_MAX = 250
MICROSECONDS = 1_000_000
RTSP_SCHEMES = frozenset({"rtsp", "rtsps"})
HTTP_SCHEMES = frozenset({"http", "https"})
log = structlog.stdlib.get_logger("pipeline.sources")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One picture as it came from its source; `sight` is what a gate needs to see of it."""

    picture: Picture
    captured_at: datetime
    sight: Sight | None = None


Deliver = Callable[[Shot], None]


def shown(source: str) -> str:
    """Return the source as it may be logged: without user and password."""
    parts = urlsplit(source)
    if "@" not in parts.netloc:
        return source
    return parts._replace(netloc=f"***@{parts.netloc.rpartition('@')[2]}").geturl()


class VideoSource:
    """One source of one stream."""

    def __init__(self, spec: StreamSpec, clock: Clock) -> None:
        self._spec = spec
        self._clock = clock
        self._scheme = urlsplit(spec.source).scheme.lower()
        self._complained = False

    @property
    def is_url(self) -> bool:
        """Say whether the source is reached over a network."""
        return self._scheme in RTSP_SCHEMES | HTTP_SCHEMES

    def play(self, deliver: Deliver, stopped: threading.Event) -> None:
        """Deliver pictures until the source ends, fails, or `stopped` is set."""
        pacer = _Pacer(self._clock, stopped, realtime=self._spec.pace is Pace.REALTIME)
        start_s, offset_s = self._spec.start_s, 0.0
        pixels = _converter()
        sampler: Sampler | None = None
        while not stopped.is_set():
            with self._opened() as (container, stream):
                sampler = sampler or Sampler(self._spec.fps, frame_s=_frame_s(stream))
                if self._is_live(container):
                    self._play_live(container, stream, deliver, stopped)
                    return
                length_s = (container.duration or 0) / MICROSECONDS
                start_s = played_s = self._sought(container, start_s, length_s)
                for time_s, frame in self._timed(container, stream, start_s):
                    played_s = time_s + _frame_s(stream)
                    if stopped.is_set():
                        return
                    if sampler.wants(offset_s + time_s):
                        picture = pixels(frame)
                        if not pacer.wait(offset_s + time_s):
                            return
                        deliver(Shot(picture=picture, captured_at=self._clock.now()))
            if played_s == start_s:
                raise Retryable(f"{self._name} has no pictures from {start_s:.1f} s on")
            if played_s < length_s * SHORT_SHARE:
                self._complain(f"it ends at {played_s:.1f} s and should last {length_s:.1f} s")
            if not self._spec.loop:
                return
            start_s, offset_s = 0.0, offset_s + played_s

    @property
    def _name(self) -> str:
        return shown(self._spec.source)

    def _is_live(self, container: InputContainer) -> bool:
        """RTSP sets its own pace; so does HTTP, unless it is a recording, which has an end."""
        if self._scheme in RTSP_SCHEMES:
            return True
        return self._scheme in HTTP_SCHEMES and not (container.duration or 0) > 0

    def _play_live(
        self,
        container: InputContainer,
        stream: VideoStream,
        deliver: Deliver,
        stopped: threading.Event,
    ) -> None:
        pixels = _converter()
        sampler = Sampler(self._spec.fps, frame_s=_frame_s(stream))
        untimed = "jpeg" in container.format.name  # such streams carry no times: use arrival
        for frame in self._decoded(container, stream):
            if stopped.is_set():
                return
            captured_at = self._clock.now()
            time_s = self._clock.monotonic() if untimed else frame.time
            if sampler.wants(time_s):
                deliver(Shot(picture=pixels(frame), captured_at=captured_at))
        raise Retryable(f"{self._name} ended the connection")

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        try:
            container = av.open(
                self._location(),
                options=self._options(),
                timeout=(OPEN_WAIT_S_MAX, READ_WAIT_S_MAX) if self.is_url else None,
            )
        except av.error.InvalidDataError as error:
            what = "no video came in time" if self.is_url else "this is not a video"
            raise Retryable(f"cannot open {self._name}: {what}") from error
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise Retryable(f"cannot open {self._name}: {_reason(error)}") from error
        try:
            if not container.streams.video:
                raise Retryable(f"{self._name} has no video in it")
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            yield container, stream
        finally:
            container.close()

    def _location(self) -> str:
        if self._scheme == "file":
            return unquote(urlsplit(self._spec.source).path)
        if self.is_url:
            return self._spec.source
        return str(Path(self._spec.source).expanduser())

    def _options(self) -> dict[str, str]:
        timeout = str(int(READ_WAIT_S_MAX * MICROSECONDS))
        if self._scheme in RTSP_SCHEMES:
            return {
                "rtsp_transport": "tcp",
                "timeout": timeout,
                "analyzeduration": str(int(PROBE_S_MAX * MICROSECONDS)),
            }
        if self._scheme in HTTP_SCHEMES:
            return {"timeout": timeout}
        return {}

    def _sought(self, container: InputContainer, start_s: float, length_s: float) -> float:
        """Go to the key frame before `start_s`, within the length of a looped file."""
        if self._spec.loop and length_s > 0:
            start_s %= length_s
        if start_s > 0:
            try:
                container.seek(int(start_s * MICROSECONDS))
            except av.error.FFmpegError as error:
                raise Retryable(
                    f"cannot start {self._name} at {start_s:.1f} s: {_reason(error)}"
                ) from error
        return start_s

    def _timed(
        self, container: InputContainer, stream: VideoStream, start_s: float
    ) -> Iterator[tuple[float, VideoFrame]]:
        """Yield the pictures from `start_s` on with their seconds since the file's beginning."""
        zero_s = float((stream.start_time or 0) * (stream.time_base or 0))
        time_s = start_s - _frame_s(stream)
        for frame in self._decoded(container, stream):
            time_s = time_s + _frame_s(stream) if frame.time is None else frame.time - zero_s
            if time_s >= start_s - 1e-6:
                yield time_s, frame

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Yield every good picture; a broken packet is skipped, a broken file ends early."""
        bad = 0
        try:
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.FFmpegError as error:
                    bad += 1
                    self._complain(f"packets cannot be decoded: {_reason(error)}")
                    if bad > BAD_PACKETS_MAX:
                        raise Retryable(f"{self._name} cannot be decoded any more") from error
                    continue
                bad = 0 if frames else bad
                yield from (frame for frame in frames if not frame.is_corrupt)
        except av.error.FFmpegError as error:
            if self.is_url:
                raise Retryable(f"{self._name} broke off: {_reason(error)}") from error
            self._complain(f"the file breaks off early: {_reason(error)}")

    def _complain(self, what: str) -> None:
        """Say once in the life of a source that its data is bad."""
        if not self._complained:
            self._complained = True
            log.warning(
                "a source is damaged", stream=self._spec.stream, source=self._name, what=what
            )


def _converter() -> Callable[[VideoFrame], Picture]:
    """Return what gives a frame's pixels; made once, for making it costs more than its work.

    One thread is enough for one picture: other cameras have theirs.
    """
    reformatter = VideoReformatter()

    def pixels(frame: VideoFrame) -> Picture:
        converted = reformatter.reformat(frame, format="bgr24", threads=1)
        return converted.to_ndarray().astype(np.uint8, copy=False)

    return pixels


class _Pacer:
    """Holds a recording back to its own speed; never hurries to catch up with lost time."""

    def __init__(self, clock: Clock, stopped: threading.Event, *, realtime: bool) -> None:
        self._clock = clock
        self._stopped = stopped
        self._realtime = realtime
        self._zero_s: float | None = None

    def wait(self, time_s: float) -> bool:
        """Wait until the picture of `time_s` is due; False when stopped meanwhile."""
        if not self._realtime:
            return not self._stopped.is_set()
        now_s = self._clock.monotonic()
        if self._zero_s is None or now_s > self._zero_s + time_s + LATE_S_MAX:
            self._zero_s = now_s - time_s
        return not self._stopped.wait(max(0.0, self._zero_s + time_s - now_s))


def _frame_s(stream: VideoStream) -> float:
    rate = stream.average_rate or stream.guessed_rate
    return float(1 / rate) if rate else 0.04


def _reason(error: BaseException) -> str:
    """Return what libav meant, in words."""
    if isinstance(error, av.error.InvalidDataError):
        return "the data are damaged"
    if isinstance(error, av.error.ExitError | TimeoutError):
        return "no answer in time"
    text = getattr(error, "strerror", None) or str(error)
    return f"{text}".strip()
