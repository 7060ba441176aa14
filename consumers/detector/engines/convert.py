"""From torch weights to OpenVINO IR, once: `python -m consumers.detector.engines.convert`.

A process of its own, because torch in the detector's process would cost memory and slow
OpenVINO down. Needs torch and ultralytics; what it writes needs neither: the IR, and a
`metadata.json` with the task, the classes, whether the head is end-to-end and, of a pose model, the
shape of its keypoints.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from consumers.detector.engines.checkpoint_head import settle, traced_px
from wire.errors import Rejected

TIMEOUT_S = 900
STEM = "model"
EDITION = "2"
"""Of how it is converted: what an older one left in a cache is not read."""


def can_convert() -> bool:
    """Say whether torch and ultralytics are installed here."""
    return all(importlib.util.find_spec(name) for name in ("torch", "ultralytics"))


def cached(source: str, cache: Path) -> Path:
    """Return where the IR of `source`, a file or a name that Ultralytics knows, is kept."""
    path = Path(source)
    content = path.read_bytes() if path.is_file() else source.encode()
    return cache / f"{hashlib.sha256(content).hexdigest()}-ir{EDITION}" / f"{STEM}.xml"


def convert(source: str, cache: Path) -> Path:
    """Return the IR of `source`, converting it unless it was before; `Rejected` with the reason.

    Two processes may do it at once: each writes beside and renames.
    """
    target = cached(source, cache)
    if target.is_file():
        return target
    if not can_convert():
        raise Rejected(
            f"{source} is not OpenVINO IR and this environment has no torch to convert it: run"
            f" `python -m consumers.detector.engines.convert {source} FOLDER` where"
            " framemeter[cpu,gpu] is installed, and register the .xml"
        )
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", __name__, source, str(target.parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if not target.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Rejected(f"{source} cannot be converted to OpenVINO IR: {last}")
    return target


def export(source: str, folder: Path) -> None:
    """Write `model.xml`, `model.bin` and `metadata.json` into `folder`, all or nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = _export(source, Path(scratch))
        if not folder.exists():
            made.rename(folder)


def _export(source: str, scratch: Path) -> Path:
    os.environ.update(YOLO_CONFIG_DIR=str(scratch), YOLO_AUTOINSTALL="false")
    from ultralytics.models.yolo.model import YOLO

    path = Path(source)
    # It writes beside the weights, and downloads a name into the working folder.
    weights = shutil.copy(path, scratch / "weights.pt") if path.is_file() else source
    with contextlib.chdir(scratch):
        yolo = YOLO(weights)
        network: Any = yolo.model
        head = network.model[-1]
        end2end = settle(head)
        side = traced_px(end2end=end2end)
        made_by_it = yolo.export(format="openvino", quantize=16, dynamic=True, imgsz=side)
        exported = Path(made_by_it).resolve()
    made = scratch / "made"
    made.mkdir()
    for suffix in (".xml", ".bin"):
        shutil.move(next(exported.glob(f"*{suffix}")), made / f"{STEM}{suffix}")
    facts = {
        "source": path.name,
        "task": yolo.task,
        "classes": list(yolo.names.values()),
        "end2end": end2end,
    }
    if yolo.task == "pose":
        facts["keypoint_shape"] = list(head.kpt_shape)
    (made / "metadata.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    return made


def main() -> None:
    """Convert the weights named on the command line into a folder."""
    parser = argparse.ArgumentParser(
        prog="python -m consumers.detector.engines.convert", description=main.__doc__
    )
    parser.add_argument("source", help="a .pt file, or a name that Ultralytics knows")
    parser.add_argument("folder", type=Path, help="where model.xml is written")
    arguments = parser.parse_args()
    source = arguments.source
    export(
        str(Path(source).resolve()) if Path(source).is_file() else source,
        arguments.folder.resolve(),
    )


if __name__ == "__main__":
    main()
