"""What the batcher takes and gives: pictures that wait, and batches of them. Values only."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from wire.frames import Tier

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What the frames of one batch have in common; `canary` is the model's other version."""

    model: str
    height: int
    width: int
    canary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued(Generic[T]):
    """One picture that waits for inference.

    `cost` is its relative work for the engine, above 0. `whole` is what all tiles of one frame
    share, None for a frame that is its own picture; the tiles of a frame are put one after another.
    """

    group: Group
    tier: Tier
    stream: str
    queued_at: float
    expires_at: float
    cost: float = 1.0
    whole: Hashable | None = None
    item: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Generic[T]):
    """Pictures for one call of the engine, and those that were found too old on the way."""

    group: Group
    items: tuple[T, ...]
    expired: tuple[T, ...]
