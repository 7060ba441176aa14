"""Torch and OpenVINO say what Ultralytics' own `predict` says, within a pixel and 0.03."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from consumers.detector.engines.convert import convert
from consumers.detector.engines.openvino import OpenVinoEngine
from consumers.detector.engines.protocol import Engine, Objects, Thresholds
from samples.catalog import FOOTAGE, PARK_MODEL
from wire.errors import Rejected

SIZE = (PARK_MODEL.height, PARK_MODEL.width)
THRESHOLDS = Thresholds(confidence=PARK_MODEL.confidence, iou=0.7)
EDGE = 0.03
"""Objects this near the threshold may be on either side of it."""
Row = tuple[int, float, tuple[float, float, float, float]]


@pytest.fixture(scope="module", autouse=True)
def ultralytics_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep Ultralytics' settings file out of the home folder, and Ultralytics offline."""
    os.environ["YOLO_CONFIG_DIR"] = str(tmp_path_factory.mktemp("yolo"))
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ["YOLO_OFFLINE"] = "1"


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:  # type: ignore[type-arg]
    """Real frames, in the size that the model was made for: no letterbox on either side."""
    with av.open(str(FOOTAGE)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return np.stack([cv2.resize(frames[index], SIZE[::-1]) for index in range(0, 480, 60)])


@pytest.fixture(scope="module")
def expected(pictures: np.ndarray) -> list[list[Row]]:  # type: ignore[type-arg]
    """What Ultralytics predicts, down to just below the threshold."""
    from ultralytics.models.yolo.model import YOLO

    results = YOLO(PARK_MODEL.weights).predict(
        list(pictures),
        imgsz=list(SIZE),
        conf=THRESHOLDS.confidence - EDGE,
        iou=THRESHOLDS.iou,
        device="cpu",
        verbose=False,
        rect=False,
    )
    return [
        [
            (
                int(row[5]),
                float(row[4]),
                (float(row[0]), float(row[1]), float(row[2]), float(row[3])),
            )
            for row in result.boxes.data.tolist()
        ]
        for result in results
    ]


def rows(objects: Objects) -> list[Row]:
    return [(thing.class_id, thing.confidence, thing.box) for thing in objects]


def agree(one: Row, other: Row) -> bool:
    near = all(abs(a - b) <= 1.0 for a, b in zip(one[2], other[2], strict=True))
    return one[0] == other[0] and abs(one[1] - other[1]) <= EDGE and near


def assert_agreement(engine: Engine, pictures: np.ndarray, expected: list[list[Row]]) -> None:  # type: ignore[type-arg]
    engine.prepare(*SIZE)
    seen = 0
    for objects, wanted in zip(engine.infer(pictures), expected, strict=True):
        found = rows(objects)
        for row in found:
            assert any(agree(row, other) for other in wanted), f"{row} is not in {wanted}"
        for row in wanted:
            if row[1] > THRESHOLDS.confidence + EDGE:
                assert any(agree(row, other) for other in found), f"{row} is not in {found}"
                seen += 1
    assert seen >= len(pictures), "the frames hold too little to compare"


def openvino() -> Engine:
    return OpenVinoEngine(PARK_MODEL.openvino, THRESHOLDS, threads=0)


def torch() -> Engine:
    from consumers.detector.engines.torch import TorchEngine

    return TorchEngine(str(PARK_MODEL.weights), THRESHOLDS, threads=0)


@pytest.mark.parametrize("make", [openvino, torch])
def test_an_engine_agrees_with_predict_on_the_footage(
    make: Callable[[], Engine],
    pictures: np.ndarray,  # type: ignore[type-arg]
    expected: list[list[Row]],
) -> None:
    assert_agreement(make(), pictures, expected)


def test_weights_are_converted_once_and_agree(
    tmp_path: Path,
    pictures: np.ndarray,  # type: ignore[type-arg]
    expected: list[list[Row]],
) -> None:
    path = convert(str(PARK_MODEL.weights), tmp_path)
    made = path.stat().st_mtime_ns
    assert convert(str(PARK_MODEL.weights), tmp_path).stat().st_mtime_ns == made
    assert_agreement(OpenVinoEngine(path, THRESHOLDS, threads=0), pictures, expected)


def test_weights_that_are_none_cannot_be_converted(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"not weights")
    with pytest.raises(Rejected, match="cannot be converted to OpenVINO IR"):
        convert(str(weights), tmp_path / "cache")


def test_torch_rejects_weights_that_are_none(tmp_path: Path) -> None:
    from consumers.detector.engines.torch import TorchEngine

    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"not weights")
    with pytest.raises(Rejected, match="Ultralytics cannot load"):
        TorchEngine(str(weights), THRESHOLDS, threads=0)
