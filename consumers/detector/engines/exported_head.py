"""What Ultralytics' exporters write into a file about its model, read as a `Head`."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consumers.detector.postprocess import Head
from wire.errors import Rejected


def head_of(path: Path, metadata: Mapping[str, Any]) -> Head:
    """Return how the model's outputs are read; `Rejected` when the file does not say, or not ours.

    ONNX holds each fact as text, TensorRT as it is.
    """
    try:
        names = _value(metadata["names"])
        shape = _value(metadata.get("kpt_shape"))
        suppressed = (_value(metadata.get("args")) or {}).get("nms")
        end2end = bool(_value(metadata.get("end2end", False)))
        head = Head(
            task=str(metadata["task"]),
            names=tuple(str(name) for name in names.values()),
            keypoint_shape=(int(shape[0]), int(shape[1])) if shape else None,
            end2end=end2end,
        )
    except (KeyError, ValueError, SyntaxError, TypeError, AttributeError, IndexError) as error:
        raise Rejected(
            f"{path.name} does not name its task and classes: export it with Ultralytics"
        ) from error
    if suppressed:
        raise Rejected(
            f"{path.name} suppresses inside, at thresholds of its own: export it without nms=True"
        )
    return head


def _value(fact: Any) -> Any:
    return ast.literal_eval(fact) if isinstance(fact, str) else fact
