"""Whether a picture shows anything new: the gate that keeps still pictures from being published.

Pure but for what it remembers: the last picture that was published, at about 64 x 36 cells of grey.
Light that comes and goes, over all of the picture or row by row, sensor noise and what compression
makes of it are not motion. A still camera publishes a picture every `STILL_S_MAX` all the same.
"""

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.encode import Picture

STILL_S_MAX = 10.0
"""A camera whose scene is still publishes a picture this often."""
WIDTH_CELLS = 64
HEIGHT_CELLS_MIN = 4
HEIGHT_CELLS_MAX = 128
SAMPLES = 3
"""Pixels that are looked at along each side of a cell: reading more is what costs time."""
GREY_LEVELS_MIN = 6.0
"""A smaller change of a cell is never motion."""
NOISE_TIMES = 5.0
"""Nor is one of less than so many standard deviations of what the cells differ by anyway."""
GREY_LEVELS_MAX = 20.0
"""A larger one is always: noise is not that strong, a camera that was turned is."""
NORMAL_MEDIAN = 1.4826
"""A normal distribution's standard deviation over the median of its absolute values."""
GAIN_MIN, GAIN_MAX = 0.5, 2.0

Sight = npt.NDArray[np.float32]
"""A picture as the gate sees it: grey levels of a few thousand cells."""


class Gate:
    """Decides picture by picture for one camera. `now` is monotonic seconds everywhere.

    `share` (0..1) of the cells must have changed since the last published picture. Of a source
    that plays faster than time, `fps` tells how many pictures `STILL_S_MAX` are.
    """

    def __init__(self, *, share: float, fps: float) -> None:
        assert 0 < share < 1 and fps > 0
        self._share = share
        self._stills_max = max(1, int(fps * STILL_S_MAX)) - 1
        self._stills = 0
        self._published: Sight | None = None
        self._published_at = 0.0

    def passes(self, sight: Sight, now: float) -> bool:
        """Say whether the picture is worth publishing; otherwise it counts as a still one."""
        if self._is_due(now) or changed_share(self._published, sight) >= self._share:
            return True
        self._stills += 1
        return False

    def published(self, sight: Sight, now: float) -> None:
        """Compare with this picture from now on."""
        self._published, self._published_at, self._stills = sight, now, 0

    def forget(self) -> None:
        """Let the next picture pass: nobody knows whether the last one arrived."""
        self._published = None

    def _is_due(self, now: float) -> bool:
        late = now - self._published_at >= STILL_S_MAX
        return self._published is None or late or self._stills >= self._stills_max


def sight_of(picture: Picture) -> Sight:
    """Return what the gate sees of a picture (height x width x 3, BGR) of any size."""
    height, width = picture.shape[:2]
    cells = round(WIDTH_CELLS * height / width)
    cells = min(max(cells, HEIGHT_CELLS_MIN), HEIGHT_CELLS_MAX)
    sampled = cv2.resize(
        picture, (WIDTH_CELLS * SAMPLES, cells * SAMPLES), interpolation=cv2.INTER_NEAREST
    )
    grey = cv2.cvtColor(sampled, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (WIDTH_CELLS, cells), interpolation=cv2.INTER_AREA)
    return cv2.blur(small.astype(np.float32), (3, 3)).astype(np.float32, copy=False)


def changed_share(before: Sight | None, after: Sight) -> float:
    """Return the share (0..1) of the cells that changed by more than light and noise explain.

    1. See each row from its own median: lamps that flicker make bands, a cloud darkens all rows.
    2. Fit the contrast of the one to the other's; again without what differs most.
    3. Count the cells that differ by far more than the others do.
    """
    if before is None or before.shape != after.shape:
        return 1.0
    level = _row_medians(after)
    old, new = before - _row_medians(before), after - level
    size = np.abs(new - _gain(old, new) * old)
    alike = old * (size <= 2 * max(_median(size), 1.0))
    rest = after - np.clip(_gain(alike, new) * old + level, 0, 255)
    size = np.abs(rest - _row_medians(rest))
    noise = NOISE_TIMES * NORMAL_MEDIAN * _median(size)
    threshold = min(max(noise, GREY_LEVELS_MIN), GREY_LEVELS_MAX)
    return float(np.count_nonzero(size > threshold) / size.size)


def _gain(old: Sight, new: Sight) -> np.float32:
    """Return what `old` must be multiplied with to be most like `new`."""
    spread = float(np.vdot(old, old))
    gain = float(np.vdot(old, new)) / spread if spread > old.size else 1.0
    return np.float32(min(max(gain, GAIN_MIN), GAIN_MAX))


def _row_medians(sight: Sight) -> Sight:
    middle = sight.shape[1] // 2
    medians: Sight = np.partition(sight, middle, axis=1)[:, middle, None]
    return medians


def _median(values: Sight) -> float:
    middle = values.size // 2
    return float(np.partition(values.ravel(), middle)[middle])
