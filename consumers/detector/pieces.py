"""What waits for inference: a frame as one piece, or the tiles of a sliced one as many.

A *sheet* is a sliced frame: its picture, decoded once whichever tile comes first, and what its
tiles have given so far. It promises that all results of one frame are of one version, and that
its picture is let go when the last tile is cut out.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from consumers.detector.decode import Pictures, decode_into, decode_whole
from consumers.detector.engines.protocol import Objects
from consumers.detector.metering import Origin, Outcome
from consumers.detector.tiles import merge
from wire.errors import Rejected
from wire.frames import Frame
from wire.slicing import Slices, corners, picture_size

Key = tuple[str, str]
"""Under which key the results of which version are kept."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """One frame of a lane, and whom to tell how it ended."""

    frame: Frame
    origin: Origin
    owner: object
    finish: Callable[[Outcome], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """One picture of inference size: a frame, or the tile `index` of its `sheet`."""

    work: Work
    queued_at: float
    sheet: "Sheet | None" = None
    index: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the frame has ended already, by another of its tiles."""
        return self.sheet is not None and self.sheet.over

    def decode_into(self, room: Pictures) -> None:
        """Write the pixels into `room`; raise `Rejected` with what is wrong with the picture."""
        if self.sheet is None:
            decode_into(self.work.frame.picture, room)
        else:
            self.sheet.cut_into(self.index, room)


class Sheet:
    """A sliced frame. Tiles are cut in any thread; results come on the loop's."""

    def __init__(self, frame: Frame, slices: Slices) -> None:
        self.over = False
        self.key: Key | None = None
        self._frame = frame
        self._slices = slices
        self._corners = corners(slices, frame.height, frame.width)
        self._cutting = threading.Lock()
        self._picture: Pictures | None = None
        self._fault: Rejected | None = None
        self._cut: set[int] = set()
        self._found: dict[int, Objects] = {}
        self._version = ""

    def cut_into(self, index: int, room: Pictures) -> None:
        """Copy one tile into `room`; raise `Rejected` when the picture is not good."""
        height, width = room.shape[:2]
        top, left = self._corners[index]
        with self._cutting:
            room[:] = self._decoded()[top : top + height, left : left + width]
            self._cut.add(index)
            if len(self._cut) == len(self._corners):
                self._picture, self._cut = None, set()

    def _decoded(self) -> Pictures:
        if self._fault is not None:
            raise self._fault
        picture = self._picture  # `close` may let it go at any moment
        if picture is None:
            size = picture_size(self._slices, self._frame.height, self._frame.width)
            try:
                picture = decode_whole(self._frame.picture, *size)
            except Rejected as fault:
                self._fault = fault
                raise
            self._picture = picture
        return picture

    def add(self, index: int, objects: Objects, *, version: str) -> tuple[int, ...]:
        """Keep what a tile gave; return the tiles that another version has done: do them again."""
        stale: tuple[int, ...] = ()
        if version != self._version:
            stale = tuple(self._found)
            self._found.clear()
            self._version = version
        self._found[index] = objects
        return stale

    @property
    def is_complete(self) -> bool:
        """Whether all tiles are back."""
        return len(self._found) == len(self._corners)

    def close(self) -> None:
        """Let everything go: the frame has ended."""
        self.over = True
        self._picture = None

    def merged(self, iou: float) -> Objects:
        """Return the objects of the whole picture."""
        assert self.is_complete
        return merge(
            [self._found[index] for index in range(len(self._corners))],
            slices=self._slices,
            height=self._frame.height,
            width=self._frame.width,
            iou=iou,
        )
