"""What a lane writes, as its readers take it: a detection, and a usage event already decoded."""

from consumers.detector.passed import FrameKey
from tests.simulation.rows import moment
from wire.usage import UsageEvent


class Seen:
    """A detection as it is read: which message it was made of, in which life of a lane."""

    __slots__ = ("key", "life", "offset")

    def __init__(self, offset: int, key: FrameKey, life: tuple[int, int]) -> None:
        self.offset = offset
        self.key = key
        self.life = life


class Told:
    """A usage event as the biller's `read` takes it: decoded."""

    __slots__ = ("data", "time")

    def __init__(self, data: UsageEvent, now: float) -> None:
        self.data = data
        self.time = moment(now)
