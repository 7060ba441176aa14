"""Random networks for all five tasks and pictures for them, made once a session."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumers.detector.engines.export import exported
from tests.unit.consumers.detector.engines.networks import footage, quiet_ultralytics, save_network


@pytest.fixture
def torch_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch compute in float32 on any CPU: scores of random weights hang on single bits."""
    import torch

    from consumers.detector.engines import torch_network

    monkeypatch.setattr(torch_network, "precision_on", lambda device: (torch.float32, "fp32"))


@pytest.fixture(scope="session")
def small_pictures() -> Any:
    """Four frames of the real footage, [4, 96, 128, 3] BGR."""
    return footage(4)


@pytest.fixture(scope="session")
def checkpoint(
    tmp_path_factory: pytest.TempPathFactory, small_pictures: Any
) -> Callable[[str], Path]:
    """Return the function that gives the checkpoint of a task."""
    folder = tmp_path_factory.mktemp("checkpoints")
    quiet_ultralytics(folder)

    def path_of(task: str) -> Path:
        path = folder / f"{task}.pt"
        return path if path.is_file() else save_network(task, path, small_pictures)

    return path_of


@pytest.fixture(scope="session")
def onnx_model(tmp_path_factory: pytest.TempPathFactory, checkpoint: Callable[[str], Path]) -> Path:
    """Return the checkpoint for `detect` as ONNX."""
    return exported(str(checkpoint("detect")), "onnx", tmp_path_factory.mktemp("onnx"))
