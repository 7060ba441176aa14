"""What an RTSP server answers on one connection: requests in, answers out, no IO.

Only what a camera's reader needs: OPTIONS, DESCRIBE, SETUP over interleaved TCP, PLAY,
GET_PARAMETER and TEARDOWN. UDP is refused with 461, an unknown path with 404, a call out of
order with 455.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from samples.clip import Clip
from samples.rtp import CLOCK_HZ, PAYLOAD_TYPE

METHODS = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER", "TEARDOWN")
TRACK = "track0"

_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]

    @property
    def mount(self) -> str:
        """Return the mount's name: the path without the track."""
        path = urlsplit(self.url).path.strip("/")
        return path.removesuffix(TRACK).strip("/")

    @property
    def body_size(self) -> int:
        """Return the bytes that follow the headers; 0 when the header makes no sense."""
        length = self.headers.get("content-length", "0")
        return int(length) if length.isascii() and length.isdigit() else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The bytes to send, and what is to be done after them."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    play: bool = False
    end: bool = False

    def encode(self, sequence: str) -> bytes:
        """Return the answer to the request with that CSeq."""
        lines = [f"RTSP/1.0 {self.status} {_REASONS[self.status]}", f"CSeq: {sequence}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body:
            lines.append(f"Content-Length: {len(self.body.encode())}")
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode()


@dataclass(slots=True, kw_only=True)
class Session:
    """The state of one connection: what it has set up, and whether it plays."""

    clips: Mapping[str, Clip]
    session_id: str
    mount: str | None = None
    channel: int = 0
    playing: bool = field(default=False, init=False)

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request, and move on."""
        match request.method:
            case "OPTIONS":
                return Answer(status=200, headers=(("Public", ", ".join(METHODS)),))
            case "DESCRIBE":
                return self._describe(request)
            case "SETUP":
                return self._setup(request)
            case "PLAY":
                return self._play()
            case "GET_PARAMETER":
                return Answer(status=200, headers=self._identity())
            case "TEARDOWN":
                return Answer(status=200, headers=self._identity(), end=True)
            case _:
                return Answer(status=501)

    def _describe(self, request: Request) -> Answer:
        clip = self.clips.get(request.mount)
        if clip is None:
            return Answer(status=404)
        base = request.url.rstrip("/") + "/"
        headers = (("Content-Base", base), ("Content-Type", "application/sdp"))
        return Answer(status=200, headers=headers, body=describe(clip))

    def _setup(self, request: Request) -> Answer:
        if request.mount not in self.clips:
            return Answer(status=404)
        transport = request.headers.get("transport", "")
        if "RTP/AVP/TCP" not in transport:
            return Answer(status=461)
        if self.playing:
            return Answer(status=455)
        asked = re.search(r"interleaved=(\d{1,3})", transport)
        self.channel = min(int(asked[1]), 254) if asked else 0
        self.mount = request.mount
        chosen = f"RTP/AVP/TCP;unicast;interleaved={self.channel}-{self.channel + 1}"
        return Answer(status=200, headers=(("Transport", chosen), *self._identity()))

    def _play(self) -> Answer:
        if self.mount is None or self.playing:
            return Answer(status=455)
        self.playing = True
        headers = (*self._identity(), ("Range", "npt=0-"))
        return Answer(status=200, headers=headers, play=True)

    def _identity(self) -> tuple[tuple[str, str], ...]:
        return (("Session", self.session_id),)


def parse_request(head: bytes) -> Request | None:
    """Return the request whose line and headers are given, None when it is none."""
    lines = head.decode("latin-1").splitlines()
    words = lines[0].split() if lines else []
    if len(words) != 3 or not words[2].startswith("RTSP/"):
        return None
    pairs = [line.split(":", 1) for line in lines[1:] if ":" in line]
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    return Request(method=words[0], url=words[1], headers=headers)


def describe(clip: Clip) -> str:
    """Return the SDP of a clip."""
    sets = ",".join(base64.b64encode(nal).decode() for nal in (clip.sps, clip.pps))
    lines = [
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=framemeter sample camera",
        "t=0 0",
        "a=control:*",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_HZ}",
        f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;"
        f"profile-level-id={clip.sps[1:4].hex()};sprop-parameter-sets={sets}",
        f"a=framerate:{clip.fps:g}",
        f"a=control:{TRACK}",
    ]
    return "\r\n".join(lines) + "\r\n"
