"""Make drawn park videos with their truth: H.264 in an mp4, JSON lines beside it.

The same arguments give the same pictures and the same truth. A scene appears whole or not at
all: both files are written under other names first, and the video is renamed last.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np

from samples.actors import random_cast
from samples.canvas import Pixels
from samples.park import draw_background, random_camera, random_light
from samples.stage import Seen, Stage, play

STYLE = 1
"""Part of a reused scene's name; raise it when the drawing changes."""

_KEYFRAME_EVERY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneInfo:
    """What was made, and where."""

    path: Path
    truth: Path
    frames: int
    fps: int
    width: int
    height: int


def truth_path(video: Path) -> Path:
    """Return where a scene's truth lies: beside the video, as `.jsonl`."""
    return video.with_suffix(".jsonl")


def ensure_scene(
    folder: Path, *, seed: int, seconds: float, fps: int = 10, width: int = 640, height: int = 360
) -> Path:
    """Return the video with these properties in folder; make it when it is not there yet."""
    name = f"park-{STYLE}-seed{seed}-{seconds:g}s-{fps}fps-{width}x{height}.mp4"
    path = folder / name
    if not path.exists():
        make_scene(path, seed=seed, seconds=seconds, fps=fps, width=width, height=height)
    return path


def make_scene(
    path: Path, *, seed: int, seconds: float, fps: int = 10, width: int = 640, height: int = 360
) -> SceneInfo:
    """Draw a scene into path, an mp4, and its truth beside it. Width and height are even."""
    if width % 2 or height % 2:
        raise ValueError(f"width and height must be even for H.264, not {width}x{height}")
    frames = round(seconds * fps)
    if frames < 1:
        raise ValueError(f"{seconds} s at {fps} fps has no frame; ask for a longer scene")
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".making-") as scratch:
        video, truth = Path(scratch, "scene.mp4"), Path(scratch, "scene.jsonl")
        stage = build_stage(seed=seed, seconds=seconds, width=width, height=height)
        with truth.open("w", encoding="utf-8") as lines, _encoder(video, stage, fps) as encode:
            for frame in range(frames):
                picture, seen = play(stage, frame, frame / fps)
                encode(picture)
                lines.write(_truth_line(frame, seen))
        truth.replace(truth_path(path))
        video.replace(path)
    return SceneInfo(
        path=path, truth=truth_path(path), frames=frames, fps=fps, width=width, height=height
    )


def build_stage(*, seed: int, seconds: float, width: int, height: int) -> Stage:
    """Choose the park, the light and the cast of a scene."""
    rng = np.random.default_rng(seed)
    camera = random_camera(rng, width, height)
    return Stage(
        camera=camera,
        background=draw_background(rng, camera),
        light=random_light(rng, camera),
        cast=random_cast(rng, camera, seconds),
    )


def read_truth(video: Path) -> Iterator[list[Seen]]:
    """Yield what is visible in each frame of a scene, in order."""
    with truth_path(video).open(encoding="utf-8") as lines:
        for line in lines:
            yield [
                Seen(class_id=box[0], track=box[1], x1=box[2], y1=box[3], x2=box[4], y2=box[5])
                for box in json.loads(line)["boxes"]
            ]


def _truth_line(frame: int, seen: list[Seen]) -> str:
    boxes = [[one.class_id, one.track, one.x1, one.y1, one.x2, one.y2] for one in seen]
    return json.dumps({"frame": frame, "boxes": boxes}, separators=(",", ":")) + "\n"


@contextmanager
def _encoder(path: Path, stage: Stage, fps: int) -> Iterator[Callable[[Pixels], None]]:
    """Open an mp4 and give the function that adds a picture; the file is complete at the end."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height = stage.camera.width, stage.camera.height
        stream.pix_fmt = "yuv420p"
        stream.options = {
            "preset": "veryfast",
            "crf": "23",
            "bf": "0",
            "g": str(_KEYFRAME_EVERY),
            "sc_threshold": "0",
            "threads": "1",  # the same bytes on every machine
        }

        def encode(picture: Pixels) -> None:
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            container.mux(stream.encode(frame))

        yield encode
        container.mux(stream.encode(None))


def main() -> None:
    """Draw a scene from the command line."""
    parser = argparse.ArgumentParser(prog="python -m samples.scenes", description=main.__doc__)
    parser.add_argument("path", type=Path, help="the mp4 to write; the truth lies beside it")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--fps", type=int, default=10)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    asked = parser.parse_args()
    info = make_scene(
        asked.path,
        seed=asked.seed,
        seconds=asked.seconds,
        fps=asked.fps,
        width=asked.width,
        height=asked.height,
    )
    sys.stdout.write(f"{info.path}: {info.frames} frames, truth in {info.truth}\n")


if __name__ == "__main__":
    main()
