"""What a line of frames is published under, and what its funding asks of the gateway."""

from dataclasses import dataclass
from enum import StrEnum

from wire.frames import Tier
from wire.sessions import GRANT_FRAMES_MAX, CloseSession, OpenSession, RenewSession
from wire.slicing import Slices

GRANT_SECONDS = 20.0
GRANT_FRAMES_LEAST = 3
GRANT_FRAMES_AT_FIRST = 16
"""While the pace is not known."""
GRANT_FRAMES_MOST = 1_000
assert GRANT_FRAMES_MOST <= GRANT_FRAMES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a line publishes, for whom, and about how fast (0: not known yet).

    The first six and `slices` fix the price; the task is the model's own.
    """

    account: str
    stream: str
    model: str
    height: int
    width: int
    tier: Tier
    max_age_ms: int
    frames_per_second: float
    slices: Slices | None = None

    @property
    def price_terms(self) -> tuple[str, str, str, int, int, Tier, Slices | None]:
        """What a session fixes for its life."""
        place = self.account, self.stream, self.model
        return *place, self.height, self.width, self.tier, self.slices

    @property
    def grant_frames(self) -> int:
        """How many frames to ask for at a time: about 20 s of them."""
        if not self.frames_per_second:
            return GRANT_FRAMES_AT_FIRST
        wanted = round(self.frames_per_second * GRANT_SECONDS)
        return min(max(wanted, GRANT_FRAMES_LEAST), GRANT_FRAMES_MOST)

    @property
    def opening(self) -> OpenSession:
        """What is asked to open a session under it."""
        return OpenSession(
            account=self.account,
            stream=self.stream,
            model=self.model,
            height=self.height,
            width=self.width,
            tier=self.tier,
            frames=self.grant_frames,
            slices=self.slices,
        )


class Phase(StrEnum):
    """Where a session's life stands."""

    IDLE = "idle"
    OPENING = "opening"
    OPEN = "open"
    ENDING = "ending"
    CLOSING = "closing"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The number that one frame is published under."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """Ask for more frames of this epoch; also the sign of life."""

    epoch: int
    request: RenewSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """End this epoch."""

    epoch: int
    request: CloseSession


Action = OpenSession | Renew | Close
