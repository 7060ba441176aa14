"""One real detector on a fresh ground, the load that it is given, and what is seen of it.

The detector is started on frames that lie ready, which shows what it can do when nobody publishes.
Loads are shares of its capacity beside a load, for the generator and the broker share its cores.
Afterwards it is warm, and `offer` measures one load after another on it.
"""

import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.bare import measure_bare
from benchmarks.generator import Generator, Offered, generating
from benchmarks.ground import START_TIMEOUT_S, Ground, Site, fresh_ground
from benchmarks.pictures import Reel
from benchmarks.progress import follow, growth_per_second
from benchmarks.record import Fields
from benchmarks.schedule import Due, schedule
from benchmarks.sight import Seen, Sight, watching
from benchmarks.subject import Subject, subject
from samples.catalog import PARK_MODEL
from wire.frames import MAX_AGE_MS_MAX
from wire.usage import Status

ACCOUNT = "bench"
CAPACITY_S = 5.0
CAPACITY_ROUNDS = 3
"""How often the load is fitted to what was done of it; more change little."""
TRIAL_S = 1.0
FRAMES_MIN = 200
FRAMES_MAX = 50_000
SLACK_S = 30.0
MAX_AGE_MS = 1_000
"""What a live camera's frames are given in loads beyond capacity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One load: what was offered, and how it ended."""

    offered: Offered
    seen: Seen

    @property
    def is_exact(self) -> bool:
        """Say whether each offered frame has ended exactly once, detected or expired."""
        ended = self.seen.statuses[Status.DETECTED] + self.seen.statuses[Status.EXPIRED]
        return ended == self.offered.frames == self.seen.frames and not self.seen.copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """A ground with a detector, a generator and a reader."""

    site: Site
    subject: Subject
    ground: Ground
    generator: Generator
    sight: Sight
    streams: Sequence[str]

    def described(self) -> Fields:
        """Return what a record says of the model, and of the engine that was asked for."""
        return self.subject.described() | {"engine_setting": self.site.choice.engine}

    async def capacity(self, *, times: float, streams: Sequence[str] | None = None) -> float:
        """Start the detector; return the images that it detects a second beside a load.

        The load is `times` as much as it detects, of even cameras: these streams, or all.
        """
        self.site.say("the detector's capacity")
        found = await self.ready_capacity()
        for _ in range(CAPACITY_ROUNDS):
            seconds = min(CAPACITY_S, self.site.seconds)
            dues = schedule(streams or self.streams, rate=times * found, seconds=seconds)
            started = time.monotonic()
            heard = await self.offer(list(dues))
            found = heard.seen.statuses[Status.DETECTED] / (time.monotonic() - started)
        return found

    async def ready_capacity(self) -> float:
        """Start the detector on ready frames; return the images that it commits a second."""
        site = self.site
        trial = await measure_bare(self.subject, site.choice, site.folder, seconds=TRIAL_S)
        frames = frames_for(trial.images_per_second, seconds=min(CAPACITY_S, site.seconds))
        return await self.saturate(frames)

    async def saturate(self, frames: int) -> float:
        """Start the detector on so many ready frames; return images a second."""
        await self.generator.fill(self.streams, frames, max_age_ms=MAX_AGE_MS_MAX)
        self.ground.start("detector")
        steps = await follow(
            self._committed,
            total=frames,
            check=self.ground.check,
            timeout_s=self.site.patience_s,
        )
        return growth_per_second(steps)

    async def _committed(self) -> int:
        return self.sight.seen.frames

    async def offer(self, dues: Sequence[Due], *, max_age_ms: int = MAX_AGE_MS) -> Heard:
        """Publish the load when it is due; return once every frame of it has ended."""
        self.sight.blink()
        offered = await self.generator.play(dues, max_age_ms=max_age_ms)
        await self.all_ended(offered.frames, max_age_ms)
        return Heard(offered=offered, seen=self.sight.seen)

    async def all_ended(self, frames: int, max_age_ms: int = MAX_AGE_MS) -> None:
        """Wait until so many frames have been seen to end since the last blink."""
        await self.ground.until(
            lambda: self.sight.seen.frames >= frames,
            what=f"all {frames} frames have ended",
            timeout_s=max(START_TIMEOUT_S, max_age_ms / 1_000 + SLACK_S),
        )


@asynccontextmanager
async def playing(
    site: Site, name: str, streams: Sequence[str], *, priority: Collection[str] = ()
) -> AsyncIterator[Play]:
    """Give a ground, a generator and a reader for the chosen model (the demo's by default)."""
    found = await subject(first_model(site), site.folder)
    reel = Reel(
        found.packed,
        account=ACCOUNT,
        epochs=dict.fromkeys(streams, 1),
        camera=found.camera,
        priority=priority,
    )
    async with (
        fresh_ground(site, name, found.spec) as ground,
        watching(ground) as sight,
        generating(ground, reel) as generator,
    ):
        yield Play(
            site=site,
            subject=found,
            ground=ground,
            generator=generator,
            sight=sight,
            streams=streams,
        )


def first_model(site: Site) -> str:
    """Return the model of benchmarks that need one only."""
    return site.choice.models[0] if site.choice.models else PARK_MODEL.name


def frames_for(images_per_second: float, *, seconds: float) -> int:
    """Return how many frames keep an engine of that speed busy for so long, within limits."""
    return max(FRAMES_MIN, min(FRAMES_MAX, round(images_per_second * seconds)))
