"""From float OpenVINO IR to int8, by NNCF: `python -m consumers.detector.engines.quantize`.

A process of its own, because NNCF brings torch along. Post-training: the ranges of activations
come from pictures of the streams that the model will serve. The detection head keeps float where
its numbers become boxes and scores. Whether the result is good enough is for the caller to judge.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from consumers.detector.decode import Pictures
from wire.errors import Rejected

TIMEOUT_S = 3600
STEM = "model"
METADATA = "metadata.json"
RECIPES = ("symmetric", "fast", "careful")
"""To be tried in order, the quickest first. `symmetric` has no zero points, which a CPU with AMX
makes up for after each convolution. `fast` fits activations more closely, with zero points. Both
keep the last steps of the head in float and correct biases from the pictures' means; `careful`
keeps the whole head in float and corrects biases layer by layer."""
CONSTANTS = frozenset({"Constant", "Convert", "Result"})


def quantize(model: Path, pictures: Path, folder: Path, recipe: str) -> Path:
    """Write the int8 model into a new `folder`; return its .xml, or raise `Rejected` with why not.

    `pictures` is a .npy of [N, height, width, 3] BGR bytes, fitted as a stream's frames are.
    """
    if importlib.util.find_spec("nncf") is None:
        raise Rejected("quantising needs NNCF: install framemeter[cpu,int8]")
    if not model.is_file():
        raise Rejected(f"{model} cannot be quantised: it is not there")
    command = [sys.executable, "-m", __name__, str(model), str(pictures), str(folder), recipe]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    made = folder / f"{STEM}.xml"
    if not made.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Rejected(f"{model} cannot be quantised: {last}")
    return made


def write(model: Path, pictures: Pictures, folder: Path, recipe: str) -> None:
    """Write `model.xml`, `model.bin` and `metadata.json` into `folder`, all or nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        _write(model, pictures, made, recipe)
        made.rename(folder)


def _write(model: Path, pictures: Pictures, folder: Path, recipe: str) -> None:
    import nncf
    import openvino

    network = openvino.Core().read_model(model)
    shape = network.input(0).partial_shape
    network.reshape([1, 3, *pictures.shape[1:3]])
    made = nncf.quantize(
        network,
        nncf.Dataset(pictures, as_input),
        preset=(
            nncf.QuantizationPreset.PERFORMANCE
            if recipe == "symmetric"
            else nncf.QuantizationPreset.MIXED
        ),
        subset_size=len(pictures),
        fast_bias_correction=recipe != "careful",
        ignored_scope=nncf.IgnoredScope(names=float_scope(network, whole_head=recipe == "careful")),
    )
    made.reshape(shape)
    openvino.save_model(made, folder / f"{STEM}.xml")
    facts = _facts(model) | {"precision": f"int8-{recipe}", "calibrated_on": len(pictures)}
    (folder / METADATA).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def as_input(picture: Any) -> Any:
    """Return one BGR picture as the float model takes it: RGB from 0 to 1, [1, 3, h, w]."""
    planes = picture[..., ::-1].transpose(2, 0, 1)[None]
    return np.ascontiguousarray(planes, dtype=np.float32) / 255


def float_scope(network: Any, *, whole_head: bool) -> list[str]:
    """Return the names of the operations that stay float: the head's own steps, or all of it.

    The head is where the last sigmoid is, which makes the scores; its own steps are what is not
    inside one of its layers: anchors, distances to boxes, sigmoids. So does Ultralytics' export.
    """
    steps = [(op.get_friendly_name(), op.get_type_name()) for op in network.get_ordered_ops()]
    sigmoids = [name for name, kind in steps if kind == "Sigmoid"]
    if not sigmoids:
        raise Rejected("the model has no sigmoid: it is not a YOLO with a raw detection head")
    head = sigmoids[-1].split("/", 1)[0]
    inside = (f"{head}/", f"{head}.") if whole_head else (f"{head}/", f"{head}.dfl")
    return [
        name
        for name, kind in steps
        if kind not in CONSTANTS and (kind == "Sigmoid" or name.startswith(inside))
    ]


def _facts(model: Path) -> dict[str, Any]:
    """Return what is known of the float model that holds for this one too."""
    beside = model.with_name(METADATA)
    known = json.loads(beside.read_text("utf-8")) if beside.is_file() else {}
    return {name: value for name, value in known.items() if name not in _OF_THE_FILE}


_OF_THE_FILE = frozenset({"weights", "weights_sha256", "precision", "exported_with"})


def main(arguments: Iterable[str] | None = None) -> None:
    """Quantise the model named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m consumers.detector.engines.quantize", description=main.__doc__
    )
    parser.add_argument("model", type=Path, help="OpenVINO IR, .xml")
    parser.add_argument("pictures", type=Path, help="a .npy of [N, height, width, 3] BGR bytes")
    parser.add_argument("folder", type=Path, help="what to make; must not be there yet")
    parser.add_argument("recipe", choices=RECIPES)
    asked = parser.parse_args(None if arguments is None else list(arguments))
    write(asked.model, np.load(asked.pictures), asked.folder, asked.recipe)


if __name__ == "__main__":
    main()
