"""OpenVINO does all five tasks as Ultralytics' `predict` does them, from converted weights."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumers.detector.engines.convert import export
from consumers.detector.engines.openvino import METADATA, OpenVinoEngine
from samples.catalog import PARK_MODEL
from tests.unit.consumers.detector.engines.agreement import THRESHOLDS, assert_agreement, predicted
from tests.unit.consumers.detector.engines.networks import ARCHITECTURES, SIZE, footage
from wire.errors import Rejected

Converted = Callable[[str], Path]


@pytest.fixture(scope="session")
def weights(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Callable[[str], Path]
) -> Callable[[str], Path]:
    """Return the function that gives a task's checkpoint with weights that IR keeps exactly.

    IR keeps them in fp16, and the scores of random weights hang on single bits.
    """
    folder = tmp_path_factory.mktemp("fp16")

    def path_of(task: str) -> Path:
        from ultralytics.models.yolo.model import YOLO

        path = folder / f"{task}.pt"
        if not path.is_file():
            yolo = YOLO(checkpoint(task))
            network: Any = yolo.model
            network.fuse(verbose=False).half().float()
            yolo.save(str(path))
        return path

    return path_of


@pytest.fixture(scope="session")
def converted(
    tmp_path_factory: pytest.TempPathFactory, weights: Callable[[str], Path]
) -> Converted:
    """Return the function that gives a task's weights as OpenVINO IR."""
    cache = tmp_path_factory.mktemp("ir")

    def path_of(task: str) -> Path:
        if not (cache / task).is_dir():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's own: in a process of its own it may warn
                export(str(weights(task)), cache / task)
        return cache / task / "model.xml"

    return path_of


@pytest.mark.parametrize("task", ARCHITECTURES)
def test_a_task_agrees_with_predict(
    task: str, weights: Callable[[str], Path], converted: Converted, small_pictures: Any
) -> None:
    engine = OpenVinoEngine(converted(task), THRESHOLDS, threads=0)
    engine._bf16 = False  # for the same reason
    engine.prepare(*SIZE)
    assert engine.task == task
    found = engine.infer(small_pictures)
    assert_agreement(task, found, predicted(weights(task), small_pictures))


def test_the_park_model_agrees_with_predict_on_its_footage(checkpoint: Any) -> None:
    checkpoint("detect")  # which sets Ultralytics up
    size = PARK_MODEL.height, PARK_MODEL.width
    pictures = footage(3, size)
    engine = OpenVinoEngine(PARK_MODEL.openvino, THRESHOLDS, threads=0)
    engine.prepare(*size)
    assert_agreement("detect", engine.infer(pictures), predicted(PARK_MODEL.weights, pictures))


@pytest.mark.parametrize(
    ("task", "facts"),
    [
        ("segment", {"task": "detect", "classes": ["person"] * 80}),
        ("detect", {"task": "pose", "classes": ["person"], "keypoint_shape": [17, 3]}),
        ("detect", {"task": "segment", "classes": ["person"] * 48}),
        ("classify", {"task": "classify", "classes": ["person"]}),
    ],
)
def test_a_model_of_another_task_or_other_classes_is_rejected(
    task: str, facts: dict[str, Any], converted: Converted, tmp_path: Path
) -> None:
    folder = shutil.copytree(converted(task).parent, tmp_path / "other")
    (folder / METADATA).write_text(json.dumps(facts))
    engine = OpenVinoEngine(folder / "model.xml", THRESHOLDS, threads=0)
    with pytest.raises(Rejected, match=r"the model answers \[1, .*correct the task and the"):
        engine.prepare(64, 64)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"task": "pose", "classes": ["person"]}, "keypoint_shape"),
        ({"task": "depth", "classes": ["person"]}, "must be one of detect segment"),
        ({"task": "detect", "classes": []}, "at least one class"),
        ({"task": "detect"}, "no list of classes"),
        ({"classes": ["person"], "end2end": "yes"}, '"end2end" must be true or false'),
        ({"task": "classify", "classes": ["a"], "end2end": True}, "no end-to-end head"),
    ],
)
def test_facts_that_do_not_go_together_are_rejected(
    facts: dict[str, Any], why: str, tmp_path: Path
) -> None:
    for suffix in (".xml", ".bin"):
        shutil.copy(PARK_MODEL.openvino.with_suffix(suffix), tmp_path)
    (tmp_path / METADATA).write_text(json.dumps(facts))
    with pytest.raises(Rejected, match=why):
        OpenVinoEngine(tmp_path / "park-n.xml", THRESHOLDS, threads=0)
