"""What a seed draws: a small world of cameras and accounts, and the faults that it will meet.

Pure: the same seed and length give the same plan, and nothing is done here.
"""

import random
from dataclasses import dataclass

from tests.torture.schedule import Fault, draw_faults
from wire.frames import Tier
from wire.streams import StreamSpec

ACCOUNTS = ("arch", "bay", "cove", "dune")
STREAMS = 20
PROCESSES = {"producer": 2, "detector": 3, "biller": 2, "gateway": 2}
SIZE_CLASSES = {"quick": "n", "plain": "s", "grand": "l"}
"""The registered models and their classes: the fake engine runs all of them alike."""
SIDES = (32, 64, 96, 128)
FPS_LEAST, FPS_MOST = 1.0, 6.0
MAX_AGE_MS = 4_000
RICH_MILLITOKENS = 10_000_000
POOR_MILLITOKENS = (1_000, 20_000)
CLIP = "clip"
"""Stands for the path of the clip that all cameras show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An account and what it starts with."""

    account: str
    millitokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a seed decides."""

    seed: int
    seconds: float
    openings: tuple[Opening, ...]
    cameras: tuple[StreamSpec, ...]
    faults: tuple[Fault, ...]

    @property
    def fps(self) -> float:
        """How many frames a second all cameras want together."""
        return sum(camera.fps for camera in self.cameras)

    @property
    def rich_streams(self) -> set[str]:
        """The cameras of accounts whose money does not run out."""
        rich = {each.account for each in self.openings if each.millitokens == RICH_MILLITOKENS}
        return {camera.stream for camera in self.cameras if camera.account in rich}


def draw(seed: int, seconds: float) -> Plan:
    """Return the plan of a seed."""
    rng = random.Random(f"torture/{seed}")
    models = tuple(rng.sample(sorted(SIZE_CLASSES), rng.choice((2, 3))))
    cameras = tuple(_camera(rng, number, models) for number in range(STREAMS))
    return Plan(
        seed=seed,
        seconds=seconds,
        openings=_openings(rng),
        cameras=cameras,
        faults=draw_faults(rng, seconds, cameras, ACCOUNTS, PROCESSES),
    )


def _openings(rng: random.Random) -> tuple[Opening, ...]:
    """Two accounts can pay for everything, two for some seconds."""
    poor = rng.sample(ACCOUNTS, 2)
    return tuple(
        Opening(
            account=account,
            millitokens=rng.randint(*POOR_MILLITOKENS) if account in poor else RICH_MILLITOKENS,
        )
        for account in ACCOUNTS
    )


def _camera(rng: random.Random, number: int, models: tuple[str, ...]) -> StreamSpec:
    return StreamSpec(
        stream=f"camera-{number}",
        account=rng.choice(ACCOUNTS),
        source=CLIP,
        model=rng.choice(models),
        height=rng.choice(SIDES),
        width=rng.choice(SIDES),
        fps=round(rng.uniform(FPS_LEAST, FPS_MOST), 1),
        tier=rng.choice((Tier.STANDARD, Tier.STANDARD, Tier.PRIORITY)),
        max_age_ms=MAX_AGE_MS,
        start_s=float(rng.randrange(20)),
    )
