"""How much of a drawn scene the demo model sees: the check that our samples fit each other.

Runs the OpenVINO model at its own size on letterboxed frames and matches what it finds with the
scene's truth. It is no general evaluation tool: recall and precision at one confidence, IoU 0.5.
Run it by `python -m samples.recall SCENE.mp4 ...`.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np
import openvino
from numpy.typing import NDArray

from samples.canvas import Pixels
from samples.catalog import PARK_MODEL, ModelFacts
from samples.precision import IOU_MIN, Found, iou
from samples.scenes import read_truth
from samples.stage import Seen

_GREY = 114
_NMS_IOU = 0.6


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was there, what was found, and what was both, by class id."""

    true: Counter[int] = field(default_factory=Counter)
    found: Counter[int] = field(default_factory=Counter)
    matched: Counter[int] = field(default_factory=Counter)

    def recall(self, class_id: int | None = None) -> float:
        """Return the part of the truth that was found, of one class or of all."""
        return _share(self.matched, self.true, class_id)

    def precision(self, class_id: int | None = None) -> float:
        """Return the part of what was found that is true, of one class or of all."""
        return _share(self.matched, self.found, class_id)


class Detector:
    """The exported demo model on this CPU."""

    def __init__(self, model: ModelFacts) -> None:
        """Load and compile the model."""
        self._facts = model
        core = openvino.Core()
        network = core.read_model(model.openvino)
        network.reshape([1, 3, model.height, model.width])
        self._compiled = core.compile_model(network, "CPU")

    def find(self, picture: Pixels) -> list[Found]:
        """Return what is in a BGR picture, best first."""
        blob, scale, left, top = letterbox(picture, self._facts.height, self._facts.width)
        rows = np.asarray(self._compiled(blob)[0])[0].T
        scores = rows[:, 4:].max(axis=1)
        rows = rows[scores >= self._facts.confidence]
        corner = (rows[:, :2] - rows[:, 2:4] / 2 - (left, top)) / scale
        boxes = np.concatenate([corner, rows[:, 2:4] / scale], axis=1)
        scores, classes = rows[:, 4:].max(axis=1), rows[:, 4:].argmax(axis=1)
        kept = cv2.dnn.NMSBoxesBatched(
            boxes.tolist(),
            scores.tolist(),
            classes.tolist(),
            self._facts.confidence,
            _NMS_IOU,
        )
        return [_found(boxes[i], scores[i], classes[i]) for i in kept]


def letterbox(
    picture: Pixels, height: int, width: int
) -> tuple[NDArray[np.float32], float, int, int]:
    """Return the model's input, [1, 3, height, width], with its scale and its left and top bar."""
    scale = min(height / picture.shape[0], width / picture.shape[1])
    rows, columns = round(picture.shape[0] * scale), round(picture.shape[1] * scale)
    top, left = (height - rows) // 2, (width - columns) // 2
    boxed = np.full((height, width, 3), _GREY, np.uint8)
    boxed[top : top + rows, left : left + columns] = cv2.resize(picture, (columns, rows))
    blob = boxed[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
    return np.ascontiguousarray(blob), scale, left, top


def match(found: list[Found], truth: list[Seen], tally: Tally) -> None:
    """Count one frame: each truth is matched once, by the most confident box that fits."""
    tally.true.update(one.class_id for one in truth)
    tally.found.update(one.class_id for one in found)
    left = list(truth)
    for box in sorted(found, key=lambda one: -one.confidence):
        same = [one for one in left if one.class_id == box.class_id]
        best = max(same, key=lambda one: iou(box, one), default=None)
        if best is not None and iou(box, best) >= IOU_MIN:
            left.remove(best)
            tally.matched[box.class_id] += 1


def scene_tally(video: Path, detector: Detector, every: int = 5) -> Tally:
    """Run the detector over every n-th frame of a scene."""
    tally = Tally()
    with av.open(video) as container:
        frames = zip(container.decode(video=0), read_truth(video), strict=True)
        for index, (frame, truth) in enumerate(frames):
            if index % every == 0:
                picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                match(detector.find(picture), truth, tally)
    return tally


def _found(box: NDArray[np.float32], score: float, class_id: int) -> Found:
    x1, y1, width, height = (float(value) for value in box)
    return Found(
        class_id=int(class_id),
        confidence=float(score),
        x1=x1,
        y1=y1,
        x2=x1 + width,
        y2=y1 + height,
    )


def _share(part: Counter[int], whole: Counter[int], class_id: int | None) -> float:
    if class_id is not None:
        return part[class_id] / whole[class_id] if whole[class_id] else 1.0
    return part.total() / whole.total() if whole.total() else 1.0


def main() -> None:
    """Print recall and precision of the demo model on drawn scenes."""
    parser = argparse.ArgumentParser(prog="python -m samples.recall", description=main.__doc__)
    parser.add_argument("scenes", type=Path, nargs="+")
    detector = Detector(PARK_MODEL)
    for scene in parser.parse_args().scenes:
        tally = scene_tally(scene, detector)
        sys.stdout.write(
            f"{scene.name}: recall {tally.recall():.2f}, precision {tally.precision():.2f}\n"
        )
        for class_id, name in enumerate(PARK_MODEL.classes):
            sys.stdout.write(
                f"  {name}: {tally.true[class_id]} there, recall {tally.recall(class_id):.2f}, "
                f"precision {tally.precision(class_id):.2f}\n"
            )


if __name__ == "__main__":
    main()
