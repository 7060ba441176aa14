"""The shipped OpenVINO model against the torch weights that it was made from."""

import os
import subprocess
import sys
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from samples.catalog import FOOTAGE, PARK_MODEL

needs_torch = pytest.mark.skipif(
    find_spec("ultralytics") is None and "CI" not in os.environ,
    reason="the export needs the extra `gpu` (torch and ultralytics)",
)

TORCH = """
import sys, numpy, torch
model = torch.load(sys.argv[1], map_location="cpu", weights_only=False)["model"].float().eval()
with torch.inference_mode():
    numpy.save(sys.argv[3], model(torch.from_numpy(numpy.load(sys.argv[2])))[0].numpy())
"""


@needs_torch
def test_a_fresh_export_is_the_model_that_is_shipped(tmp_path: Path) -> None:
    _python(tmp_path, "-m", "samples.export", "--folder", str(tmp_path))
    pictures = _pictures(2)
    fresh = _run(tmp_path / "park-n.xml", pictures)
    assert np.allclose(fresh, _run(PARK_MODEL.openvino, pictures), atol=1e-3)
    metadata = (tmp_path / "metadata.json").read_text(encoding="utf-8")
    assert '"weights": "park-n.pt"' in metadata


@needs_torch
def test_the_shipped_model_agrees_with_torch_on_real_frames(tmp_path: Path) -> None:
    pictures = _pictures(4)
    np.save(tmp_path / "in.npy", pictures)
    files = (str(PARK_MODEL.weights), str(tmp_path / "in.npy"), str(tmp_path / "out.npy"))
    _python(tmp_path, "-c", TORCH, *files)
    torch = np.load(tmp_path / "out.npy")
    openvino_f32 = _run(PARK_MODEL.openvino, pictures)
    likely = torch[:, 4:].max(axis=1) >= 0.25
    assert likely.sum() > 100
    assert np.abs(openvino_f32[:, 4:] - torch[:, 4:]).max() < 0.01
    assert np.abs(openvino_f32[:, :4] - torch[:, :4]).max(axis=1)[likely].max() < 0.5


@pytest.mark.parametrize(("height", "width"), [(384, 512), (640, 640), (96, 160)])
def test_one_file_serves_any_batch_and_any_multiple_of_the_stride(height: int, width: int) -> None:
    empty = np.zeros((3, 3, height, width), np.float32)
    anchors = sum(height * width // stride**2 for stride in (8, 16, 32))
    assert _run(PARK_MODEL.openvino, empty).shape == (3, 8, anchors)


def _pictures(count: int) -> NDArray[np.float32]:
    size = (PARK_MODEL.width, PARK_MODEL.height)
    with av.open(FOOTAGE) as container:
        frames = islice(container.decode(video=0), 0, count * 50, 50)
        rows = [cv2.resize(frame.to_ndarray(format="rgb24"), size) for frame in frames]
    return np.stack(rows).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)


def _run(path: Path, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape(list(pictures.shape))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(np.ascontiguousarray(pictures))[0])


def _python(scratch: Path, *arguments: str) -> None:
    """Run in a process of its own: torch is slower, and warns, beside OpenVINO."""
    offline = {"YOLO_CONFIG_DIR": str(scratch), "YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "1"}
    subprocess.run([sys.executable, *arguments], check=True, env=os.environ | offline, timeout=150)
