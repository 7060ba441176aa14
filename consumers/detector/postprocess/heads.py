"""What a model's outputs mean: its task, its classes, its keypoints; and whether they fit.

Raw heads, whose answers are suppressed here, and end-to-end ones, whose answers need none. Exports
that suppress inside (`nms=True`) are refused: their thresholds cannot be set any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wire.errors import Rejected
from wire.models import TASKS

BOX_ROWS = 4
FINAL_COLUMNS = 6
"""Of an end-to-end head: the box's four, the score, the class."""
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

    An end-to-end head (one-to-one, of YOLO26 and YOLOv10) answers [N, objects, 6 + extras] instead:
    two corners of a box (of a turned one its centre and size), its score, its class, and the
    extras, the best score first.
    """

    task: str
    names: Sequence[str]
    keypoint_shape: tuple[int, int] | None = None
    """Of `pose`: how many keypoints, and 2 or 3 numbers for each."""
    end2end: bool = False
    """Whether the answers are final: nothing is found twice."""

    def __post_init__(self) -> None:
        """Raise `Rejected` when the parts do not go together."""
        if self.task not in TASKS:
            raise Rejected(f"task {self.task!r} must be one of {' '.join(TASKS)}")
        if not self.names:
            raise Rejected("a model needs at least one class")
        if self.end2end and self.task == "classify":
            raise Rejected("a classify model has no end-to-end head: leave end2end out")
        if self.task == "pose":
            shape = self.keypoint_shape
            if shape is None or shape[0] < 1 or shape[1] not in KEYPOINT_DIMENSIONS:
                raise Rejected(
                    'a pose model needs its "keypoint_shape": [keypoints, 2 or 3], such as [17, 3]'
                )

    @property
    def rows(self) -> int | None:
        """Return how many numbers an anchor, or an object of an end-to-end head, has.

        None when the prototypes decide it.
        """
        known = self._known
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
                ' metadata.json (with "end2end": true where Ultralytics exported it with'
                " nms=False), or export it without NMS (nms=None)"
            )

    @property
    def _known(self) -> int:
        """Return how many numbers come before what the task adds."""
        return FINAL_COLUMNS if self.end2end else BOX_ROWS + len(self.names)

    def _fits(self, shapes: Sequence[Shape], height: int, width: int) -> bool:
        if len(shapes) != (2 if self.task == "segment" else 1):
            return False
        first = shapes[0]
        if self.task == "classify":
            return len(first) == 2 and first[1] == len(self.names)
        if len(first) != 3:
            return False
        numbers = first[2 if self.end2end else 1]
        if self.task != "segment":
            return numbers == self.rows and not self._is_final(first, extras=numbers - self._known)
        second = shapes[1]
        return (
            len(second) == 4
            and numbers == self._known + second[1]
            and not self._is_final(first, extras=second[1])
            and height % second[2] == 0
            and width % second[3] == 0
        )

    def _is_final(self, first: Shape, *, extras: int) -> bool:
        """Say whether a raw head's answer is an end-to-end one that happens to have its rows.

        84 objects look like the 84 rows of 80 classes; but no picture has only 6 anchors.
        """
        return not self.end2end and first[2] == FINAL_COLUMNS + extras

    def _expected(self) -> str:
        if self.task == "classify":
            return f"[N, {len(self.names)}]"
        numbers = f"{self._known} + coefficients" if self.task == "segment" else f"{self.rows}"
        shape = f"[N, objects, {numbers}]" if self.end2end else f"[N, {numbers}, anchors]"
        return f"{shape} and the masks' prototypes" if self.task == "segment" else shape
