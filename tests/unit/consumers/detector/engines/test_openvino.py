"""OpenVINO on the demo model: real people in the real footage, and clear words for bad models."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from consumers.detector.engines.openvino import OpenVinoEngine
from consumers.detector.engines.protocol import Thresholds
from samples.catalog import FOOTAGE, PARK_MODEL
from wire.errors import Rejected

SIZE = (PARK_MODEL.height, PARK_MODEL.width)
THRESHOLDS = Thresholds(confidence=PARK_MODEL.confidence, iou=0.7)


@pytest.fixture(scope="module")
def engine() -> OpenVinoEngine:
    made = OpenVinoEngine(PARK_MODEL.openvino, THRESHOLDS, threads=0)
    made.prepare(*SIZE)
    return made


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:  # type: ignore[type-arg]
    """Three frames of the real footage at the model's size."""
    with av.open(str(FOOTAGE)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return np.stack([cv2.resize(frames[index], SIZE[::-1]) for index in (0, 200, 400)])


def test_it_finds_people_in_the_footage(engine: OpenVinoEngine, pictures: np.ndarray) -> None:  # type: ignore[type-arg]
    found = engine.infer(pictures)
    assert len(found) == 3
    assert all(any(thing.class_name == "person" for thing in objects) for objects in found)
    for thing in found[0]:
        x1, y1, x2, y2 = thing.box
        assert 0 <= x1 < x2 <= SIZE[1]
        assert 0 <= y1 < y2 <= SIZE[0]


def test_a_batch_gives_what_single_pictures_give(
    engine: OpenVinoEngine,
    pictures: np.ndarray,  # type: ignore[type-arg]
) -> None:
    alone = [engine.infer(picture[None])[0] for picture in pictures]
    together = engine.infer(pictures)
    for one, many in zip(alone, together, strict=True):
        assert [thing.class_id for thing in one] == [thing.class_id for thing in many]


def test_a_model_without_class_names_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text(json.dumps({"names": []}))
    for suffix in (".xml", ".bin"):
        shutil.copy(PARK_MODEL.openvino.with_suffix(suffix), tmp_path)
    with pytest.raises(Rejected, match="no list of classes"):
        OpenVinoEngine(tmp_path / "park-n.xml", THRESHOLDS, threads=0)


def test_a_model_with_other_outputs_than_its_classes_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text(json.dumps({"classes": ["person"]}))
    for suffix in (".xml", ".bin"):
        shutil.copy(PARK_MODEL.openvino.with_suffix(suffix), tmp_path)
    other = OpenVinoEngine(tmp_path / "park-n.xml", THRESHOLDS, threads=0)
    with pytest.raises(Rejected, match="export it without NMS"):
        other.prepare(64, 64)


def test_a_file_that_is_no_model_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "park-n.xml").write_text("<net/>")
    with pytest.raises(Rejected, match="is not an OpenVINO model"):
        OpenVinoEngine(tmp_path / "park-n.xml", THRESHOLDS, threads=0)


def test_without_metadata_the_ir_names_its_classes(tmp_path: Path) -> None:
    for suffix in (".xml", ".bin"):
        shutil.copy(PARK_MODEL.openvino.with_suffix(suffix), tmp_path)
    made = OpenVinoEngine(tmp_path / "park-n.xml", THRESHOLDS, threads=0)
    assert (made.task, tuple(made.classes)) == ("detect", PARK_MODEL.classes)


def test_a_size_that_it_cannot_take_is_rejected(engine: OpenVinoEngine) -> None:
    with pytest.raises(Rejected, match="does not take 50x70"):
        engine.prepare(50, 70)


def test_callers_at_a_time_get_their_own_answers_whatever_the_batch(
    engine: OpenVinoEngine,
    pictures: np.ndarray,  # type: ignore[type-arg]
) -> None:
    alone = [engine.infer(picture[None])[0] for picture in pictures]
    orders = [[0, 1, 2] * 4, [2, 1], [1] * 7, [0, 2, 2]]
    with ThreadPoolExecutor(len(orders)) as callers:
        answers = list(callers.map(lambda order: engine.infer(pictures[order]), orders))
    assert answers == [[alone[index] for index in order] for order in orders]


def test_it_needs_neither_torch_nor_ultralytics() -> None:
    script = (
        "import sys; from pathlib import Path; import consumers.detector.__main__;"
        "from consumers.detector.engines.choose import EngineLoader;"
        "from wire.models import ModelSpec;"
        f"source = {str(PARK_MODEL.openvino)!r};"
        "spec = ModelSpec(model='p', version='1', source=source, size_class='n');"
        "loader = EngineLoader(kind='auto', threads=0, models_folder=Path(), cache_folder=Path());"
        "loader.load(spec).prepare(64, 64);"
        "print({'torch', 'ultralytics', 'openvino'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "{'openvino'}"
