"""Short files for cameras, cut from the shipped footage: all of one length, none alike."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from samples.catalog import FOOTAGE

APART_FRAMES = 60
"""How much later each next clip begins."""
GOP_FRAMES = 50
CODEC = "libx264"
RATE = 10
FRAME = Fraction(1, RATE)
OPTIONS = {"preset": "veryfast", "crf": "23", "bf": "0", "g": str(GOP_FRAMES)}


def cut_clips(folder: Path, count: int, *, frames: int) -> list[Path]:
    """Write so many clips of so many frames; the footage is repeated where it is too short."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = [folder / f"clip-{number}.mp4" for number in range(count)]
    for number, clip in enumerate(clips):
        _cut(clip, first=number * APART_FRAMES, frames=frames)
    return clips


def truncate(clip: Path, target: Path, *, share: float) -> Path:
    """Copy the start of a clip: a file whose camera died. Its index says more than it holds."""
    whole = clip.read_bytes()
    target.write_bytes(whole[: int(len(whole) * share)])
    return target


def _cut(clip: Path, *, first: int, frames: int) -> None:
    # The index lies at the start, so that a truncated file can still be opened.
    with av.open(str(clip), "w", options={"movflags": "+faststart"}) as written:
        pictures = list(islice(_endless(first + frames), first, None))
        stream = _opened(written, like=pictures[0])
        for number, picture in enumerate(pictures):
            picture.time_base, picture.pts = FRAME, number
            written.mux(stream.encode(picture))
        written.mux(stream.encode(None))


def _opened(written: OutputContainer, *, like: VideoFrame) -> VideoStream:
    stream = written.add_stream(CODEC, rate=RATE, options=OPTIONS)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = like.width, like.height
    stream.pix_fmt = "yuv420p"
    return stream


def _endless(count: int) -> Iterator[VideoFrame]:
    """Yield so many pictures of the footage, from its beginning again when it ends."""
    done = 0
    while done < count:
        with av.open(str(FOOTAGE)) as footage:
            for picture in footage.decode(video=0):
                yield picture
                done += 1
                if done == count:
                    return
