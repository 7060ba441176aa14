"""Which engines can run here, and what is missing where one cannot. Loads none of them."""

import importlib
import importlib.util
from pathlib import Path

LIBRARIES = {
    "openvino": ("openvino",),
    "torch": ("torch", "ultralytics"),
    "onnx": ("onnxruntime",),
    "tensorrt": ("tensorrt", "torch", "ultralytics"),
}
INSTALL = {
    "openvino": "install framemeter[cpu]",
    "torch": "install framemeter[gpu]",
    "onnx": "install framemeter[onnx]",
    "tensorrt": "install framemeter[gpu,onnx] and a tensorrt-cu13 or tensorrt-cu12 below 11",
}
HALF_BUILT_IN_BELOW = 11
"""From this release on TensorRT needs another library to make weights fp16."""
HALVES = "modelopt"
DEVICES = Path("/dev")


def missing(engine: str) -> str | None:
    """Return what an engine needs that is not here, and how to get it; None when it can run."""
    for library in LIBRARIES[engine]:
        if not installed(library):
            return f"needs {library}: {INSTALL[engine]}"
    if engine != "tensorrt":
        return None
    if not has_gpu():
        return "needs an NVIDIA GPU and its driver, and there is none: set FRAMEMETER_ENGINE=auto"
    release = str(importlib.import_module("tensorrt").__version__)
    if int(release.partition(".")[0]) >= HALF_BUILT_IN_BELOW and not installed(HALVES):
        return f"of release {release} needs nvidia-modelopt: {INSTALL[engine]}, or that too"
    return None


def candidates() -> tuple[str, ...]:
    """Return the engines that could run a `.pt` here, the preferred one first."""
    order = ("torch", "tensorrt") if has_cuda() else ("openvino", "torch", "onnx")
    return tuple(engine for engine in order if missing(engine) is None)


def installed(library: str) -> bool:
    """Say whether a library is installed here."""
    return importlib.util.find_spec(library) is not None


def has_gpu() -> bool:
    """Say whether there is an NVIDIA GPU with its driver."""
    return any(DEVICES.glob("nvidia[0-9]*"))


def has_cuda() -> bool:
    """Say whether torch can use a GPU here; torch is not loaded where there is no driver."""
    if not has_gpu() or not installed("torch"):
        return False
    return bool(importlib.import_module("torch").cuda.is_available())
