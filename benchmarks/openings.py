"""A thousand streams opened and closed again: does any process keep something of each?

The whole system runs; a stream is a short file of its own name, played once and removed. The
engine is the fake one, for its speed does not matter here.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.clips import cut_clips
from benchmarks.ground import Ground, Site
from benchmarks.memory import Look
from benchmarks.memory import figures as memory_figures
from benchmarks.record import Fields, Measured
from benchmarks.subject import subject
from benchmarks.system import ROLES, System, running
from samples.catalog import PARK_MODEL
from wire.errors import Misconfigured
from wire.usage import Status

OPENINGS_PER_SECOND_OF_RUN = 50
"""A thousand by default."""
WAVE = 50
"""How many streams are open at a time."""
FRAMES = 2
ENGINE = "fake:1"
WARM_UP = 0.25
"""The part of the openings after which memory is compared."""


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement."""
    fake = replace(site, choice=replace(site.choice, engine=ENGINE))
    waves = max(8, round(site.seconds * OPENINGS_PER_SECOND_OF_RUN / WAVE))
    (clip,) = cut_clips(site.folder / "openings", 1, frames=FRAMES)
    looks: dict[str, list[Look]] = {role: [] for role in ROLES}
    site.say(f"{waves * WAVE} streams, {WAVE} at a time")
    async with running(fake, "opened", await subject(PARK_MODEL.name, site.folder)) as system:
        for wave in range(waves):
            await _open_and_close(system, clip, wave, site.patience_s)
            _look(system.ground, looks, (wave + 1) * WAVE)
        seen, frames = system.sight.seen, waves * WAVE * FRAMES
        exact = await system.is_exact(detected=frames)
        exact = exact and seen.statuses[Status.DETECTED] == frames and not seen.copies
    yield Measured(
        benchmark="openings",
        parameters={"openings": waves * WAVE, "at_once": WAVE, "frames_each": FRAMES},
        figures=figures(looks) | {"exact": exact},
    )


async def _open_and_close(system: System, clip: Path, wave: int, timeout_s: float) -> None:
    """Play a wave of streams to their end, and remove them."""
    streams = [f"stream-{wave * WAVE + number}" for number in range(WAVE)]
    wanted = (wave + 1) * WAVE * FRAMES
    await system.add([system.camera(stream, clip) for stream in streams])
    await system.ground.until(
        lambda: system.sight.seen.frames >= wanted,
        what=f"{wanted} frames of the streams have ended",
        timeout_s=timeout_s,
    )
    await system.remove(streams)
    if not await system.has_settled():
        raise Misconfigured(
            f"the sessions of {streams[0]} to {streams[-1]} did not settle\n{system.ground.logs()}"
        )


def _look(ground: Ground, looks: Mapping[str, list[Look]], openings: int) -> None:
    for role, found in looks.items():
        found.append(Look(events=openings, memory_mib=ground.memory_mib(role)))


def figures(looks: Mapping[str, Sequence[Look]]) -> Fields:
    """Return each process's memory after the warm-up, and how far it drifted."""
    found: Fields = {}
    for role, all_looks in looks.items():
        last = all_looks[-1].events
        after = [look for look in all_looks if look.events >= WARM_UP * last]
        memory = memory_figures(after)
        found[f"{role}_median_mib"] = memory["memory_median_mib"]
        found[f"{role}_drift_percent"] = memory["drift_percent"]
    found["drift_worst_percent"] = max(found[f"{role}_drift_percent"] for role in looks)
    return found
