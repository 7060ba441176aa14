"""From torch weights to ONNX or TensorRT by Ultralytics' exporters, once, kept by their digest.

A process of its own: `python -m consumers.detector.engines.export FORMAT SOURCE FOLDER`. The
exporters load much, and change the process that they run in. All or nothing: two processes may
export the same weights at once.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from consumers.detector.engines.checkpoint_head import settle, traced_px
from wire.errors import Rejected

TIMEOUT_S = 1800
"""An engine of a large model takes TensorRT many minutes."""
STEM = "model"
SUFFIXES = {"onnx": ".onnx", "engine": ".engine"}
BATCH_SIZE_MAX = 32
"""The most pictures that one run of a TensorRT engine takes."""
ENGINE_SIDE = 640
"""A TensorRT engine is tuned for squares of this side, and takes sides up to twice as long."""
EDITION = "2"
"""Of how it is exported: what an older one left in a cache is not read."""
OPTIONS: dict[str, dict[str, Any]] = {
    "onnx": {"dynamic": True},
    "engine": {
        "dynamic": True,
        "quantize": 16,
        "batch": BATCH_SIZE_MAX,
        "imgsz": ENGINE_SIDE,
        "device": 0,
    },
}


def can_export() -> bool:
    """Say whether torch and ultralytics are installed here."""
    return all(importlib.util.find_spec(name) for name in ("torch", "ultralytics"))


def digest_of(source: str) -> str:
    """Return the SHA-256 of a file, or of a name that Ultralytics knows."""
    path = Path(source)
    return hashlib.sha256(path.read_bytes() if path.is_file() else source.encode()).hexdigest()


def exported(source: str, kind: str, cache: Path, *, fits: str = "") -> Path:
    """Return the export of `source` in this format, made unless it was before.

    `fits` names what else it holds for, such as a GPU. Raises `Rejected` with the reason.
    """
    folder = cache / f"{digest_of(source)}-{kind}{EDITION}{fits}"
    target = folder / f"{STEM}{SUFFIXES[kind]}"
    if target.is_file():
        return target
    if not can_export():
        raise Rejected(
            f"{source} must be exported first and this environment has no torch for it: run"
            f" `python -m {__name__} {kind} {source} FOLDER` where framemeter[gpu,onnx] is"
            f" installed, and register the {SUFFIXES[kind]}"
        )
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", __name__, kind, source, str(folder)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Rejected(f"{source} was not exported to {kind} within {TIMEOUT_S} s") from error
    if not target.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Rejected(f"{source} cannot be exported to {kind}: {last}")
    return target


def export(kind: str, source: str, folder: Path) -> None:
    """Write the export into `folder`, which appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = _export(kind, source, Path(scratch))
        if not folder.exists():
            made.rename(folder)


def _export(kind: str, source: str, scratch: Path) -> Path:
    os.environ.update(YOLO_CONFIG_DIR=str(scratch), YOLO_AUTOINSTALL="false")
    from ultralytics.models.yolo.model import YOLO

    path = Path(source)
    # It writes beside the weights, and downloads a name into the working folder.
    weights = shutil.copy(path, scratch / "weights.pt") if path.is_file() else source
    with contextlib.chdir(scratch):
        yolo: Any = YOLO(weights)
        side = traced_px(end2end=settle(yolo.model.model[-1]))
        # Its default leaves suppression to us; `nms=False` would take the one-to-one head.
        written = Path(yolo.export(format=kind, **{"imgsz": side} | OPTIONS[kind])).resolve()
    made = scratch / "made"
    made.mkdir()
    shutil.move(written, made / f"{STEM}{SUFFIXES[kind]}")
    return made


def main() -> None:
    """Export the weights named on the command line into a folder."""
    parser = argparse.ArgumentParser(
        prog="python -m consumers.detector.engines.export", description=main.__doc__
    )
    parser.add_argument("format", choices=SUFFIXES, help="onnx, or engine for TensorRT")
    parser.add_argument("source", help="a .pt file, or a name that Ultralytics knows")
    parser.add_argument("folder", type=Path, help="where the export is written")
    arguments = parser.parse_args()
    source = arguments.source
    export(
        arguments.format,
        str(Path(source).resolve()) if Path(source).is_file() else source,
        arguments.folder.resolve(),
    )


if __name__ == "__main__":
    main()
