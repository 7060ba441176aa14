"""Torch does all five tasks as `predict` does them, padded into rooms or not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumers.detector.engines import torch_engine
from consumers.detector.engines.torch import TorchEngine
from samples.catalog import PARK_MODEL
from tests.unit.consumers.detector.engines.agreement import THRESHOLDS, assert_agreement, predicted
from tests.unit.consumers.detector.engines.networks import ARCHITECTURES, SIZE, footage
from wire.errors import Rejected

pytestmark = pytest.mark.usefixtures("torch_in_float32")
Checkpoint = Callable[[str], Path]


@pytest.fixture(autouse=True)
def few_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_engine, "PREPARED", (1,))


@pytest.mark.parametrize("task", ARCHITECTURES)
def test_a_task_agrees_with_predict(task: str, checkpoint: Checkpoint, small_pictures: Any) -> None:
    path = checkpoint(task)
    engine = TorchEngine(str(path), THRESHOLDS, threads=0, device="cpu")
    engine.prepare(*SIZE)
    found = engine.infer(small_pictures)
    assert engine.task == task
    assert len(engine.classes) in {1, 80, 1000}
    results = predicted(path, small_pictures)
    assert_agreement(task, found, results)
    padded = TorchEngine(str(path), THRESHOLDS, threads=0, device="cpu", padded=True)
    padded.prepare(*SIZE)
    assert_agreement(task, padded.infer(small_pictures), results)
    # Three leave a place of the room for four as it was: it must not be told.
    assert_agreement(task, padded.infer(small_pictures[:3]), results[:3])


def test_what_a_decoder_unpacked_is_as_good_as_bytes(
    checkpoint: Checkpoint, small_pictures: Any
) -> None:
    import torch

    engine = TorchEngine(str(checkpoint("detect")), THRESHOLDS, threads=0, device="cpu")
    engine.prepare(*SIZE)
    on_device = torch.from_numpy(small_pictures[..., ::-1].copy()).permute(0, 3, 1, 2)
    assert engine.infer(on_device) == engine.infer(small_pictures)
    assert engine.infer(on_device[:0]) == []


def test_a_batch_larger_than_any_room_is_cut(
    checkpoint: Checkpoint, small_pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    engine = TorchEngine(str(checkpoint("detect")), THRESHOLDS, threads=0, device="cpu")
    whole = engine.infer(small_pictures)
    network = dataclasses.replace(engine._network, batch_size_max=3)
    monkeypatch.setattr(engine, "_network", network)
    assert engine.infer(small_pictures) == whole


def test_bfloat16_stays_within_a_pixel_and_three_hundredths(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Checkpoint
) -> None:
    """On trained weights: scores of random ones hang on single bits."""
    import torch

    from consumers.detector.engines import torch_network

    checkpoint("detect")  # which sets Ultralytics up
    path, pictures = PARK_MODEL.weights, footage(2, (384, 512))
    monkeypatch.setattr(torch_network, "precision_on", lambda device: (torch.bfloat16, "bf16"))
    engine = TorchEngine(str(path), THRESHOLDS, threads=0, device="cpu")
    assert engine.name == "torch-cpu-bf16"
    assert_agreement("detect", engine.infer(pictures), predicted(path, pictures))


def test_a_size_that_is_no_multiple_of_the_stride_is_rejected(checkpoint: Checkpoint) -> None:
    engine = TorchEngine(str(checkpoint("detect")), THRESHOLDS, threads=0, device="cpu")
    with pytest.raises(Rejected, match="does not take 50x70"):
        engine.prepare(50, 70)


def test_cut_weights_are_rejected(checkpoint: Checkpoint, tmp_path: Path) -> None:
    whole = checkpoint("detect").read_bytes()
    cut = tmp_path / "cut.pt"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Rejected, match="Ultralytics cannot load"):
        TorchEngine(str(cut), THRESHOLDS, threads=0, device="cpu")


def test_a_cpu_computes_in_bfloat16_only_where_it_has_it() -> None:
    from consumers.detector.engines.torch_network import computes_bf16

    assert computes_bf16({"avx512_bf16": True})
    assert computes_bf16({"amx_bf16": True})
    assert not computes_bf16({"avx512_f": True, "avx512_bf16": False})
