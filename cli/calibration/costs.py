"""What was measured of a frame: its time, relative to the reference frame, and how sure that is.

Pure. The reference, yolov8s at 640x640, is measured again beside every model in every round, so
that a machine which slows down for a while slows both sides of a ratio. The middle of the rounds
counts; half the width of its 95 % interval is the doubt, and a doubt over `DOUBT_MAX` is noise.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

REFERENCE_MODEL = "yolov8s"
REFERENCE_SIZE = (640, 640)
DOUBT_MAX = 0.05
ROUNDS = 9
NOTCH = 1.57
"""Half of a median's 95 % interval is this many quartile distances, over the root of the count
(McGill, Tukey and Larsen, Variations of box plots, 1978)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One round: seconds a frame, and those of the reference beside it."""

    seconds: float
    reference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a frame of a model and size costs; `relative` to the reference, `doubt` of 1."""

    model: str
    size_class: str
    task: str
    height: int
    width: int
    batch: int
    seconds: float
    relative: float
    doubt: float
    random_weights: bool

    @property
    def is_noisy(self) -> bool:
        """Say whether the measurement is too unsure to set a price by."""
        return self.doubt > DOUBT_MAX


def relative(samples: Sequence[Sample]) -> tuple[float, float]:
    """Return the middle of the ratios to the reference, and the doubt about it."""
    ratios = [each.seconds / each.reference for each in samples]
    middle = statistics.median(ratios)
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return middle, NOTCH * (high - low) / sqrt(len(ratios)) / middle


def batch_for(seconds: float, *, slice_s: float, batch_max: int) -> int:
    """Return how many frames of `seconds` each fit a slice: 1 to `batch_max`."""
    return max(1, min(batch_max, int(slice_s / seconds)))
