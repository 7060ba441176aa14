"""Export the demo weights to OpenVINO IR with fp16 weights, and write down what they are.

One IR serves any batch and any height and width that are multiples of the stride. Its input is
[N, 3, height, width], RGB, 0 to 1 (Ultralytics scales outside the model); its output is
raw: [N, 4 + classes, anchors], boxes as centre and size in input pixels; no NMS inside. Needs
torch and ultralytics; what it writes needs neither. Run it by `python -m samples.export`.
"""

import argparse
import hashlib
import json
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from samples.catalog import PARK_MODEL, ModelFacts


def export_model(model: ModelFacts, folder: Path) -> Path:
    """Write `<name>.xml`, `<name>.bin` and `metadata.json` into folder; return the `.xml`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        exported = _convert(model, Path(scratch))
        for suffix in (".bin", ".xml"):
            shutil.move(exported.with_suffix(suffix), folder / f"{model.name}{suffix}")
    text = json.dumps(describe(model), indent=2) + "\n"
    (folder / model.metadata.name).write_text(text, encoding="utf-8")
    return folder / f"{model.name}.xml"


def describe(model: ModelFacts) -> dict[str, object]:
    """Return the facts that lie beside the exported model, as JSON types."""
    return {
        "name": model.name,
        "task": model.task,
        "size_class": model.size_class,
        "stride": model.stride,
        "height": model.height,
        "width": model.width,
        "confidence": model.confidence,
        "classes": list(model.classes),
        "weights": model.weights.name,
        "weights_sha256": hashlib.sha256(model.weights.read_bytes()).hexdigest(),
        "precision": "fp16",
        "input": "rgb, 0 to 1, [N, 3, height, width]",
        "output": "raw, [N, 4 + classes, anchors], boxes as cx, cy, w, h in input pixels",
        "license": "AGPL-3.0",
        "exported_with": {name: version(name) for name in ("openvino", "torch")},
    }


def _convert(model: ModelFacts, scratch: Path) -> Path:
    # Ultralytics looks at these when it is imported: keep its settings file out of the home
    # folder, and let it neither install packages nor go online.
    os.environ.update(YOLO_CONFIG_DIR=str(scratch), YOLO_AUTOINSTALL="false", YOLO_OFFLINE="1")
    from ultralytics.models.yolo.model import YOLO

    weights = Path(shutil.copy(model.weights, scratch))  # it writes beside the weights
    yolo = YOLO(weights)
    if tuple(yolo.names.values()) != model.classes:
        raise ValueError(f"{weights.name} has other classes than the catalog: {yolo.names}")
    folder = yolo.export(
        format="openvino", quantize=16, dynamic=True, imgsz=[model.height, model.width]
    )
    return Path(folder) / f"{model.name}.xml"


def main() -> None:
    """Export the demo model into the folder named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m samples.export", description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=PARK_MODEL.folder)
    export_model(PARK_MODEL, parser.parse_args().folder)


if __name__ == "__main__":
    main()
