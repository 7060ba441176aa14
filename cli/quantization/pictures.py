"""Pictures for a model: a stream's own frames, and drawn scenes whose truth is known.

All are fitted to the inference size as a producer fits frames.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from consumers.detector.decode import Pictures
from pipeline.encode import Letterboxed, Picture, letterbox
from samples.precision import Found
from samples.scenes import ensure_scene, read_truth
from samples.stage import Seen
from wire.errors import Rejected

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
SCENE_SEEDS = (101, 102, 103)
"""Scenes on which no model of ours was trained."""
SCENE_SECONDS = 20.0
SCENE_EVERY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Pictures and what is there, in pixels of the fitted pictures."""

    pictures: Pictures
    truth: Sequence[Sequence[Found]]


def frames_of(source: Path, *, count: int, height: int, width: int) -> Pictures:
    """Return at most `count` frames, spread over a video or a folder of pictures.

    Raises `Rejected` when there are none.
    """
    found = [letterbox(each, height, width).picture for each in _spread(source, count)]
    if not found:
        raise Rejected(f"{source} has no pictures: give a video, or a folder of .jpg or .png")
    return np.stack(found)


def scenes(folder: Path, *, height: int, width: int) -> Scene:
    """Draw the test scenes into `folder`, unless they are there; return some of their frames."""
    pictures: list[Picture] = []
    truth: list[list[Found]] = []
    for seed in SCENE_SEEDS:
        video = ensure_scene(folder, seed=seed, seconds=SCENE_SECONDS)
        for index, (picture, seen) in enumerate(zip(_video(video), read_truth(video), strict=True)):
            if index % SCENE_EVERY == 0:
                fitted = letterbox(picture, height, width)
                pictures.append(fitted.picture)
                truth.append([placed(one, fitted) for one in seen])
    return Scene(pictures=np.stack(pictures), truth=truth)


def placed(seen: Seen, fitted: Letterboxed) -> Found:
    """Return a drawn object's box in the fitted picture."""
    return Found(
        class_id=seen.class_id,
        confidence=1.0,
        x1=seen.x1 * fitted.scale + fitted.left,
        y1=seen.y1 * fitted.scale + fitted.top,
        x2=seen.x2 * fitted.scale + fitted.left,
        y2=seen.y2 * fitted.scale + fitted.top,
    )


def _spread(source: Path, count: int) -> Iterator[Picture]:
    if source.is_dir():
        files = sorted(each for each in source.iterdir() if each.suffix.lower() in SUFFIXES)
        for index in evenly(len(files), count):
            picture = cv2.imread(str(files[index]))
            if picture is None:
                raise Rejected(f"{files[index]} is no picture: take it out of the folder")
            yield np.asarray(picture, np.uint8)
        return
    if not source.is_file():
        raise Rejected(f"{source} is not there: give a video, or a folder of .jpg or .png")
    wanted = frozenset(evenly(_length(source), count))
    yield from (picture for index, picture in enumerate(_video(source)) if index in wanted)


def evenly(total: int, count: int) -> Iterable[int]:
    """Return `count` places spread over `total`; all of them where there are no more."""
    chosen = min(total, count)
    return [index * total // chosen for index in range(chosen)]


def _length(video: Path) -> int:
    try:
        with av.open(video) as container:
            return sum(1 for packet in container.demux(video=0) if packet.size)
    except (av.error.FFmpegError, IndexError) as error:
        raise Rejected(f"{video} is no video: {error}") from error


def _video(video: Path) -> Iterator[Picture]:
    with av.open(video) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
