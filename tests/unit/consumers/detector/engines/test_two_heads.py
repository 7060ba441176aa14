"""Models with a one-to-one head: every engine takes the head that `predict` takes, as it does."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumers.detector.engines import convert, export, torch_engine
from consumers.detector.engines.onnx import OnnxEngine
from consumers.detector.engines.openvino import METADATA, OpenVinoEngine
from consumers.detector.engines.protocol import Engine
from consumers.detector.engines.torch import TorchEngine
from consumers.detector.selftest import self_test
from tests.unit.consumers.detector.engines.agreement import THRESHOLDS, assert_agreement, predicted
from tests.unit.consumers.detector.engines.networks import footage, quiet_ultralytics
from tests.unit.consumers.detector.engines.two_heads import (
    CLASSES,
    HEADS,
    save_one_to_one,
    save_two_heads,
)
from tests.unit.consumers.detector.scripted import SPEC
from wire.errors import Rejected

SIZE = (128, 160)
"""Room for the 300 objects that an exported one-to-one head gives."""
pytestmark = pytest.mark.usefixtures("torch_in_float32")
Checkpoint = Callable[[str, bool], Path]


@pytest.fixture(scope="module")
def pictures() -> Any:
    return footage(3, SIZE)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, pictures: Any) -> Checkpoint:
    """Return the function that gives a task's checkpoint, whose answers are end-to-end or not."""
    folder = tmp_path_factory.mktemp("two-heads")
    quiet_ultralytics(folder)

    def path_of(task: str, end2end: bool) -> Path:
        both, one = folder / f"{task}.pt", folder / f"{task}-one.pt"
        if not both.is_file():
            save_two_heads(task, both, pictures)
        if end2end and not one.is_file():
            save_one_to_one(both, one)
        return one if end2end else both

    return path_of


def assert_as_predicted(engine: Engine, path: Path, pictures: Any) -> None:
    engine.prepare(*SIZE)
    assert_agreement(engine.task, engine.infer(pictures), predicted(path, pictures))


@pytest.mark.parametrize(
    ("task", "end2end"), [("detect", False), *((task, True) for task in HEADS)]
)
def test_torch_answers_with_the_head_that_predict_takes(
    task: str, end2end: bool, checkpoint: Checkpoint, pictures: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(torch_engine, "PREPARED", (1,))
    path = checkpoint(task, end2end)
    for padded in (False, True):
        engine = TorchEngine(str(path), THRESHOLDS, threads=0, device="cpu", padded=padded)
        assert engine._network.head.end2end == end2end
        assert_as_predicted(engine, path, pictures)


def test_openvino_reads_the_one_to_one_head_as_its_metadata_says(
    checkpoint: Checkpoint, pictures: Any, tmp_path: Path
) -> None:
    path = checkpoint("detect", True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own: in a process of its own it may warn
        convert.export(str(path), tmp_path / "ir")
    engine = OpenVinoEngine(tmp_path / "ir" / "model.xml", THRESHOLDS, threads=0)
    engine._bf16 = False  # the scores of random weights hang on single bits
    assert_as_predicted(engine, path, pictures)
    assert self_test(engine, SPEC, (), None) == {}, (
        "it has the size that is tried when none is used"
    )
    with pytest.raises(Rejected, match=r"does not take 64x64(.|\n)*TopK"):
        engine.prepare(64, 64)
    metadata = tmp_path / "ir" / METADATA
    facts = json.loads(metadata.read_text())
    assert facts.pop("end2end")
    metadata.write_text(json.dumps(facts))
    with pytest.raises(Rejected, match='"end2end": true'):
        OpenVinoEngine(tmp_path / "ir" / "model.xml", THRESHOLDS, threads=0).prepare(*SIZE)


def test_an_export_takes_the_head_that_predict_takes(
    checkpoint: Checkpoint, pictures: Any, tmp_path: Path
) -> None:
    path = checkpoint("detect", False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export.export("onnx", str(path), tmp_path / "onnx")
    engine = OnnxEngine(tmp_path / "onnx" / "model.onnx", THRESHOLDS, threads=0)
    assert len(engine.classes) == CLASSES
    assert_as_predicted(engine, path, pictures)
