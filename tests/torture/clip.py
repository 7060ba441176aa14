"""What the cameras show: a moving gradient, so small that decoding it costs nothing."""

import os
from pathlib import Path

import av
import numpy as np

HEIGHT, WIDTH = 96, 128
FPS = 8
SECONDS = 24


def draw_clip(path: Path) -> Path:
    """Write the clip unless it is there; return its path."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}{path.suffix}")  # jobs may draw it at once
    with av.open(str(fresh), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
        for number in range(FPS * SECONDS):
            planes = (rows * 2 + number, columns + number * 3, rows + columns - number)
            picture = np.stack([plane % 256 for plane in planes], axis=-1).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    fresh.replace(path)
    return path
