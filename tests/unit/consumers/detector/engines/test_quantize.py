"""Quantisation: weights become int8, the head's own steps stay float, and nothing is half there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consumers.detector.engines.quantize import RECIPES, as_input, float_scope, quantize
from wire.errors import Rejected

openvino = pytest.importorskip("openvino")
HEAD = "__module.model.1"


def network(*, with_sigmoid: bool = True) -> Any:
    """Return a network of one layer and a head of one layer, named as Ultralytics' export does."""
    from openvino import opset13 as ops

    rng = np.random.default_rng(7)
    picture = ops.parameter([-1, 3, -1, -1], np.float32, name="x")
    layer = _convolution(ops, picture, rng.normal(size=(8, 3, 3, 3)), "__module.model.0/conv")
    scores = _convolution(ops, layer, rng.normal(size=(5, 8, 3, 3)), f"{HEAD}.cv3/conv")
    if with_sigmoid:
        scores = ops.sigmoid(scores, name=f"{HEAD}/aten::sigmoid/Sigmoid")
    return openvino.Model([scores], [picture], "tiny")


def _convolution(ops: Any, picture: Any, weights: Any, name: str) -> Any:
    made = ops.convolution(
        picture, ops.constant(weights.astype(np.float32)), [2, 2], [1, 1], [1, 1], [1, 1]
    )
    made.set_friendly_name(name)
    return ops.relu(made) if HEAD not in name else made


def test_the_heads_own_steps_stay_float_and_its_layers_only_when_told() -> None:
    assert float_scope(network(), whole_head=False) == [f"{HEAD}/aten::sigmoid/Sigmoid"]
    assert float_scope(network(), whole_head=True) == [
        f"{HEAD}.cv3/conv",
        f"{HEAD}/aten::sigmoid/Sigmoid",
    ]
    with pytest.raises(Rejected, match="has no sigmoid"):
        float_scope(network(with_sigmoid=False), whole_head=False)


def test_a_picture_enters_as_rgb_from_0_to_1() -> None:
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[..., 0] = 255  # blue
    assert as_input(picture).shape == (1, 3, 2, 4)
    assert as_input(picture).mean(axis=(0, 2, 3)).tolist() == [0, 0, 1]


def test_a_model_is_written_in_int8_with_what_is_known_of_it(tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    model, pictures = tmp_path / "float.xml", tmp_path / "pictures.npy"
    openvino.save_model(network(), model)
    facts = {"classes": ["car"], "precision": "fp16", "weights": "float.pt"}
    (tmp_path / "metadata.json").write_text(json.dumps(facts))
    np.save(pictures, np.random.default_rng(7).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8))
    made = quantize(model, pictures, tmp_path / "int8", RECIPES[0])
    quantised = openvino.Core().read_model(made)
    kinds = [op.get_type_name() for op in quantised.get_ordered_ops()]
    weights = {str(op.get_element_type()) for op in quantised.get_ordered_ops()}
    assert "FakeQuantize" in kinds
    assert any("int8" in each or "i8" in each for each in weights)
    assert quantised.input(0).partial_shape == network().input(0).partial_shape
    known = json.loads(made.with_name("metadata.json").read_text())
    assert known == {"classes": ["car"], "precision": f"int8-{RECIPES[0]}", "calibrated_on": 4}
    with pytest.raises(Rejected, match="cannot be quantised"):
        quantize(tmp_path / "gone.xml", pictures, tmp_path / "nothing", RECIPES[0])
    assert not (tmp_path / "nothing").exists()
