"""ONNX Runtime says what `predict` says, and TensorRT's way through AutoBackend does too."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumers.detector.engines.export import exported
from consumers.detector.engines.exported_head import head_of
from consumers.detector.engines.onnx import OnnxEngine
from tests.unit.consumers.detector.engines.agreement import THRESHOLDS, assert_agreement, predicted
from tests.unit.consumers.detector.engines.networks import SIZE
from wire.errors import Rejected

Models = Callable[[str], Path]


def test_an_exported_model_agrees_with_predict(
    checkpoint: Models, onnx_model: Path, small_pictures: Any
) -> None:
    engine = OnnxEngine(onnx_model, THRESHOLDS, threads=1)
    engine.prepare(*SIZE)
    assert (engine.task, engine.name, len(engine.classes)) == ("detect", "onnx-cpu-fp32", 80)
    assert_agreement(
        "detect", engine.infer(small_pictures), predicted(checkpoint("detect"), small_pictures)
    )


def test_what_autobackend_loads_agrees_with_predict(
    checkpoint: Models, onnx_model: Path, small_pictures: Any
) -> None:
    """TensorRT needs a GPU; ONNX takes the same way on a CPU."""
    import torch
    from ultralytics.nn.autobackend import AutoBackend

    from consumers.detector.engines.tensorrt import network_of
    from consumers.detector.engines.torch_engine import NetworkEngine

    cpu, path = torch.device("cpu"), onnx_model
    backend = AutoBackend(str(path), device=cpu, verbose=False)
    network = network_of(backend, path, device=cpu)
    engine = NetworkEngine(network, THRESHOLDS, kind="tensorrt", padded=True)
    assert_agreement(
        "detect", engine.infer(small_pictures), predicted(checkpoint("detect"), small_pictures)
    )


def test_weights_are_exported_once(checkpoint: Models, onnx_model: Path) -> None:
    made, cache = onnx_model.stat().st_mtime_ns, onnx_model.parent.parent
    assert exported(str(checkpoint("detect")), "onnx", cache) == onnx_model
    assert onnx_model.stat().st_mtime_ns == made
    assert list(cache.iterdir()) == [onnx_model.parent], "nothing but the export is left behind"


def test_it_runs_without_torch(onnx_model: Path) -> None:
    script = (
        "import sys; from pathlib import Path;"
        "from consumers.detector.engines.onnx import OnnxEngine;"
        "from consumers.detector.engines.protocol import Thresholds;"
        f"engine = OnnxEngine(Path({str(onnx_model)!r}),"
        " Thresholds(confidence=0.25, iou=0.7), threads=1);"
        "engine.prepare(64, 64); print({'torch', 'ultralytics', 'openvino'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_file_that_is_cut_or_none_is_rejected(
    share: float, onnx_model: Path, tmp_path: Path
) -> None:
    whole = onnx_model.read_bytes()
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(whole[: int(len(whole) * share)] or b"not a model")
    with pytest.raises(Rejected, match="is not an ONNX model"):
        OnnxEngine(broken, THRESHOLDS, threads=1)


def test_a_size_that_the_model_cannot_take_is_rejected(onnx_model: Path) -> None:
    engine = OnnxEngine(onnx_model, THRESHOLDS, threads=1)
    with pytest.raises(Rejected, match="does not take batches of 50x70"):
        engine.prepare(50, 70)


def test_a_model_that_does_not_name_its_classes_is_rejected() -> None:
    for metadata in ({}, {"task": "detect", "names": "{0: "}, {"task": "detect", "names": "[1]"}):
        with pytest.raises(Rejected, match="export it with Ultralytics"):
            head_of(Path("other.onnx"), metadata)


def test_facts_are_read_as_text_and_as_they_are() -> None:
    text = {"task": "pose", "names": "{0: 'person'}", "kpt_shape": "[17, 3]"}
    bare = {"task": "pose", "names": {0: "person"}, "kpt_shape": [17, 3]}
    assert head_of(Path("a.onnx"), text) == head_of(Path("a.engine"), bare)
    end2end = text | {"end2end": "True"}
    assert head_of(Path("a.onnx"), end2end) == head_of(Path("a.engine"), bare | {"end2end": True})
    assert head_of(Path("a.onnx"), end2end).end2end
    assert not head_of(Path("a.onnx"), text | {"end2end": "False"}).end2end


def test_an_export_that_suppresses_inside_is_rejected() -> None:
    facts = {"task": "detect", "names": "{0: 'person'}", "args": "{'nms': True}"}
    with pytest.raises(Rejected, match="export it without nms=True"):
        head_of(Path("other.onnx"), facts)


def test_an_engine_is_kept_for_its_gpu_and_release(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from consumers.detector.engines.tensorrt import place

    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="10.13.3"))
    assert place("NVIDIA H100 80GB HBM3") == "-10.13.3-NVIDIA-H100-80GB-HBM3"
