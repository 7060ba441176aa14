"""What a model's outputs mean: its task, its classes, its keypoints; and whether they fit.

Raw heads only, as Ultralytics exports them with `nms=False` and without `end2end`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wire.errors import Rejected
from wire.models import TASKS

BOX_ROWS = 4
KEYPOINT_DIMENSIONS = (2, 3)
"""A keypoint is x and y, with or without its confidence."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How a model's outputs are read.

    First output: [N, 4 + classes + extras, anchors]: box centre and size in px of the input, one
    score for each class, then what the task adds: mask coefficients, keypoints, or an angle.
    Of `segment` the second output is [N, coefficients, rows, columns]: the masks' prototypes.
    Of `classify` the only output is [N, classes].
    """

    task: str
    names: Sequence[str]
    keypoint_shape: tuple[int, int] | None = None
    """Of `pose`: how many keypoints, and 2 or 3 numbers for each."""

    def __post_init__(self) -> None:
        """Raise `Rejected` when the parts do not go together."""
        if self.task not in TASKS:
            raise Rejected(f"task {self.task!r} must be one of {' '.join(TASKS)}")
        if not self.names:
            raise Rejected("a model needs at least one class")
        if self.task == "pose":
            shape = self.keypoint_shape
            if shape is None or shape[0] < 1 or shape[1] not in KEYPOINT_DIMENSIONS:
                raise Rejected(
                    'a pose model needs its "keypoint_shape": [keypoints, 2 or 3], such as [17, 3]'
                )

    @property
    def rows(self) -> int | None:
        """Return how many numbers an anchor has; None when the prototypes decide it."""
        known = BOX_ROWS + len(self.names)
        if self.task == "segment":
            return None
        if self.task == "pose":
            assert self.keypoint_shape is not None, "checked when it was made"
            return known + self.keypoint_shape[0] * self.keypoint_shape[1]
        return known + 1 if self.task == "obb" else known

    def check(self, shapes: Sequence[Shape], *, height: int, width: int) -> None:
        """Raise `Rejected` unless outputs of these shapes are this head's for such pictures."""
        if not self._fits(shapes, height, width):
            found = " and ".join(str(list(shape)) for shape in shapes)
            raise Rejected(
                f"the model answers {found}, not {self._expected()} as a {self.task} model with"
                f" {len(self.names)} classes does: correct the task and the classes in"
                " metadata.json, or export it without NMS (nms=False, end2end=False)"
            )

    def _fits(self, shapes: Sequence[Shape], height: int, width: int) -> bool:
        if len(shapes) != (2 if self.task == "segment" else 1):
            return False
        first = shapes[0]
        if self.task == "classify":
            return len(first) == 2 and first[1] == len(self.names)
        if len(first) != 3:
            return False
        if self.task != "segment":
            return first[1] == self.rows
        second = shapes[1]
        return (
            len(second) == 4
            and first[1] == BOX_ROWS + len(self.names) + second[1]
            and height % second[2] == 0
            and width % second[3] == 0
        )

    def _expected(self) -> str:
        classes = len(self.names)
        if self.task == "classify":
            return f"[N, {classes}]"
        if self.task == "segment":
            return f"[N, {BOX_ROWS + classes} + coefficients, anchors] and the masks' prototypes"
        return f"[N, {self.rows}, anchors]"
