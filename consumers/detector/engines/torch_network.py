"""An Ultralytics checkpoint as a network: fused, in one precision, its answers in float32.

Owns how weights are loaded and how exact their answers are. Whatever the network computes in, its
boxes are decoded in float32: half precision resolves 0.5 px at x = 640, bfloat16 only 4 px.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from consumers.detector.engines.checkpoint_head import settle
from consumers.detector.postprocess import Head
from wire.errors import Rejected
from wire.models import TASKS

# Ultralytics looks at this when it is imported; a detector installs nothing by itself.
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
from ultralytics.models.yolo.model import YOLO

Tensor = Any
"""A `torch.Tensor`."""
Tensors = tuple[Tensor, ...]
CLASSIFY = "classify"
SEGMENT = "segment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What runs on a device: pictures in, raw answers out.

    `forward` takes [N, 3, height, width] RGB from 0 to 1 in `type`, channels last, and answers as
    `Head` says, in float32.
    """

    forward: Callable[[Tensor], Tensors]
    held: Callable[[], Tensors]
    """The tensors that the last `forward` read beside its weights; a CUDA graph needs them kept."""
    head: Head
    device: Any
    type: Any
    precision: str
    can_be_captured: bool = True
    """Whether a CUDA graph can repeat `forward`."""
    batch_size_max: int = 64
    """Larger batches are cut."""


def load_network(source: str, *, device: Any) -> Network:
    """Return the checkpoint's network on the device; `Rejected` when it cannot be used."""
    try:
        yolo = YOLO(source)
        network: Any = yolo.model
        last = network.model[-1]
    except (
        OSError, RuntimeError, ValueError, KeyError, TypeError, ImportError, AttributeError,
        EOFError, IndexError,
    ) as error:  # fmt: skip
        raise Rejected(f"Ultralytics cannot load {source}: {error}") from error
    if yolo.task not in TASKS:
        raise Rejected(f"{source} is a {yolo.task} model; served are {' '.join(TASKS)}")
    end2end = settle(last)
    network = network.fuse(verbose=False).eval()
    kind, precision = precision_on(device)
    network.to(device=device, dtype=kind, memory_format=torch.channels_last)
    if yolo.task != CLASSIFY:
        decode_in_float32(last)
    shape = getattr(last, "kpt_shape", None)
    head = Head(
        task=yolo.task,
        names=tuple(str(name) for name in yolo.names.values()),
        keypoint_shape=(int(shape[0]), int(shape[1])) if shape else None,
        end2end=end2end,
    )
    return Network(
        forward=lambda pictures: answers_of(network(pictures), head.task),
        held=lambda: () if head.task == CLASSIFY else (last.anchors, last.strides),
        head=head,
        device=device,
        type=kind,
        precision=precision,
    )


def precision_on(device: Any) -> tuple[Any, str]:
    """Return the type to compute in and its short name: half on CUDA, bf16 where a CPU has it."""
    if device.type == "cuda":
        return torch.float16, "fp16"
    if computes_bf16(torch.cpu.get_capabilities()):
        return torch.bfloat16, "bf16"
    return torch.float32, "fp32"


def computes_bf16(capabilities: Mapping[str, Any]) -> bool:
    """Say whether a CPU multiplies bfloat16 itself, by what torch tells of it."""
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def decode_in_float32(head: Any) -> None:
    """Let a detection head turn its branches' answers into boxes in float32."""
    decode = head._inference  # Ultralytics has no public place between the branches and the boxes.

    def in_float32(branches: dict[str, Any]) -> Tensor:
        return decode({name: _in_float32(value) for name, value in branches.items()})

    head.dfl.float()
    head._inference = in_float32


def _in_float32(value: Any) -> Any:
    # Only the shape and the type of the feature maps are looked at.
    if isinstance(value, list):
        return [item.new_empty(1, dtype=torch.float32).expand(item.shape) for item in value]
    return value.float()


def answers_of(answer: Any, task: str) -> Tensors:
    """Return what an Ultralytics network answered, without what only training needs, in float32."""
    first = answer[0] if isinstance(answer, list | tuple) else answer
    if task != SEGMENT:
        return (first.float(),)
    # ((raw, prototypes), branches) of a network in evaluation, (raw, prototypes) of an export.
    raw, prototypes = first if isinstance(first, list | tuple) else answer
    return raw.float(), prototypes.float()
