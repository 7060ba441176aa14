"""A probe: a process that loads a model, works when told to, and says what stops it."""

from pathlib import Path

import pytest

from cli.calibration.probe import Order, Slice, probing
from consumers.detector.engines.choose import EngineLoader
from wire.errors import Rejected
from wire.models import ModelSpec


def order(kind: str, folder: Path) -> Order:
    """Return an order for an engine of this kind, whose weights are not there."""
    return Order(
        spec=ModelSpec(model="gate", version="1", source="gone.xml", size_class="n"),
        loader=EngineLoader(kind=kind, threads=1, models_folder=folder, cache_folder=folder),
        decode_threads=1,
    )


def test_a_probe_works_slice_after_slice(tmp_path: Path) -> None:
    asked = Slice(height=64, width=96, batch=3, seconds=0.02)
    with probing("gate", order("fake:6", tmp_path)) as probe:
        assert probe.ready.engine == "fake"
        assert all(probe.work(asked) >= 0.002 for _ in range(2))  # 6 ms for three frames


def test_what_cannot_be_loaded_is_told_with_its_reason(tmp_path: Path) -> None:
    with (
        pytest.raises(Rejected, match=r"gate cannot be measured: gone\.xml is not there"),
        probing("gate", order("openvino", tmp_path)),
    ):
        pass
