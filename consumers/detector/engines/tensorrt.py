"""TensorRT through Ultralytics' AutoBackend: an `.engine`, or weights built into one, once.

An engine holds for one GPU and one release of TensorRT, so it is kept under their names. What is
around the network (uploading, decoding, suppression) is what torch on CUDA has.
"""

import importlib
import re
from pathlib import Path
from typing import Any

import torch
from ultralytics.nn.autobackend import AutoBackend

from consumers.detector.engines.export import BATCH_SIZE_MAX, SUFFIXES, exported
from consumers.detector.engines.exported_head import head_of
from consumers.detector.engines.protocol import Thresholds
from consumers.detector.engines.torch_engine import NetworkEngine
from consumers.detector.engines.torch_network import Network, Tensor, Tensors, answers_of
from wire.errors import Rejected

SUFFIX = SUFFIXES["engine"]


class TensorRtEngine(NetworkEngine):
    """One TensorRT engine on the first GPU."""

    def __init__(self, source: str, thresholds: Thresholds, *, cache: Path) -> None:
        """Read an `.engine`; build one from other weights unless `cache` has it."""
        path = Path(source) if source.endswith(SUFFIX) else build(source, cache)
        super().__init__(load_engine(path), thresholds, kind="tensorrt", padded=True)


def build(source: str, cache: Path) -> Path:
    """Return the engine of these weights for this GPU; it takes minutes the first time."""
    return exported(source, "engine", cache, fits=place(torch.cuda.get_device_name(0)))


def place(gpu: str) -> str:
    """Return a part of a file's name that says for what an engine was built."""
    release = str(importlib.import_module("tensorrt").__version__)
    return "-" + re.sub(r"[^A-Za-z0-9.]+", "-", f"{release}-{gpu}")


def load_engine(path: Path) -> Network:
    """Return the engine as a network; `Rejected` when it is none, or was built elsewhere."""
    device = torch.device("cuda:0")
    try:
        backend = AutoBackend(str(path), device=device, fp16=True, verbose=False)
    except (RuntimeError, ValueError, TypeError, AttributeError, OSError, KeyError) as error:
        raise Rejected(
            f"{path.name} is not a TensorRT engine for this GPU and this release of TensorRT:"
            f" register the .pt and it is built here ({error})"
        ) from error
    return network_of(backend, path, device=device)


def network_of(backend: Any, path: Path, *, device: Any) -> Network:
    """Return what an AutoBackend loaded as a network."""
    head = head_of(path, backend.metadata)

    def forward(pictures: Tensor) -> Tensors:
        batch = pictures.contiguous()  # from channels last: TensorRT reads the bare memory
        if device.type == "cuda":
            # It runs on another stream, which does not wait for this one.
            torch.cuda.current_stream(device).synchronize()
        return answers_of(backend(batch), head.task)

    return Network(
        forward=forward,
        held=lambda: (),
        head=head,
        device=device,
        type=torch.float16 if backend.fp16 else torch.float32,
        precision="fp16",
        can_be_captured=False,
        batch_size_max=BATCH_SIZE_MAX,
    )
