"""Which of its heads a loaded checkpoint answers with: the one that Ultralytics' `predict` takes.

YOLO26 and YOLOv10 have two: one-to-many, whose answers need suppression, and one-to-one, which is
end-to-end. `predict` takes the first where it is there: `nms=None`, the default of 8.4.190.
"""

from typing import Any

TRACED_PX = 64
"""The picture that is sent through a model to export it is this small: quick, and it shows all."""
TRACED_END2END_PX = 128
"""An end-to-end head keeps at most as many objects as it has anchors then: 336, for its 300."""


def settle(head: Any) -> bool:
    """Let a model's last layer answer as `predict` does; say whether its answers are end-to-end.

    They are where fusing has left the one-to-one head only. To be called before fusing.
    """
    if not hasattr(head, "end2end"):
        return False
    head.end2end = False
    return bool(head.end2end)  # asked for, but without the one-to-many head it stays


def traced_px(*, end2end: bool) -> int:
    """Return the side of the picture to trace such a model with."""
    return TRACED_END2END_PX if end2end else TRACED_PX
