"""End-to-end latency: from the capture of a picture to its committed detection being visible.

Eight funded streams offer a share of what the bare engine can do on this machine; detector and
biller are real processes. Load generator, broker and reader share the machine's cores with them.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from benchmarks.bare import measure_bare
from benchmarks.books import Books, OpenedSession
from benchmarks.generator import Offered, generating
from benchmarks.ground import START_TIMEOUT_S, Ground, Site, fresh_ground
from benchmarks.pictures import Reel
from benchmarks.record import Fields, Measured
from benchmarks.schedule import Due, schedule
from benchmarks.sight import Seen, Sight, watching
from benchmarks.subject import subject
from cli.demo.plan import MAX_AGE_MS
from cli.demo.result import detector_figures
from cli.demo.scrape import Metrics
from cli.deployment import database
from samples.catalog import PARK_MODEL
from wire.frames import MAX_AGE_MS_MAX
from wire.usage import Status

LOADS = (0.25, 0.80)
STREAMS = tuple(f"camera-{number}" for number in range(8))
ACCOUNT = "latency"
WARM_UP_S = 2.0
SEEN_TIMEOUT_S = MAX_AGE_MS / 1_000 + 30.0
BARE_SHARE = 0.25
"""How long the bare engine is measured, as a share of one load's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is offered: a share of the bare engine's rate, as due times."""

    share: float
    rate: float
    first: Sequence[Due]
    warm_up: Sequence[Due]
    measured: Sequence[Due]

    def frames_of(self, stream: str) -> int:
        """Return how many frames the stream has in all."""
        return Counter(due.stream for due in (*self.first, *self.warm_up, *self.measured))[stream]


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement for each load."""
    park = await subject(PARK_MODEL.name, site.folder)
    site.say("the bare engine, which the loads are shares of")
    seconds = max(1.0, site.seconds * BARE_SHARE)
    bare = await measure_bare(park, site.choice, site.folder, seconds=seconds)
    for share in LOADS:
        load = plan_load(share, bare_rate=bare.images_per_second, seconds=site.seconds)
        site.say(f"latency at {share:.0%}: {load.rate:.1f} frames/s for {site.seconds:.0f} s")
        async with fresh_ground(site, f"latency{share * 100:.0f}") as ground:
            found = await _measure_load(ground, park.packed, load)
        yield Measured(
            benchmark="latency",
            parameters=_parameters(site, load),
            figures=found | {"bare_images_per_second": round(bare.images_per_second, 1)},
        )


def plan_load(share: float, *, bare_rate: float, seconds: float) -> Load:
    """Return the load: one frame a stream to wait for the detector, a warm-up, and the rest."""
    rate = share * bare_rate
    return Load(
        share=share,
        rate=rate,
        first=[Due(at_s=0.0, stream=stream) for stream in STREAMS],
        warm_up=list(schedule(STREAMS, rate=rate, seconds=WARM_UP_S)),
        measured=list(schedule(STREAMS, rate=rate, seconds=seconds)),
    )


async def _measure_load(ground: Ground, packed: Sequence[bytes], load: Load) -> Fields:
    async with database(ground.target) as pool:
        books = Books(pool, ground.target)
        sessions = await _open_sessions(books, load)
        reel = Reel(packed, account=ACCOUNT, epochs={it.stream: it.epoch for it in sessions})
        ground.start("biller")
        ground.start("detector")
        async with watching(ground) as sight, generating(ground, reel) as generator:
            # 1. The processes are there, and warm.
            await generator.play(load.first, max_age_ms=MAX_AGE_MS_MAX)
            await _all_seen(ground, sight, len(load.first), START_TIMEOUT_S)
            await generator.play(load.warm_up, max_age_ms=MAX_AGE_MS)
            await _all_seen(ground, sight, reel.taken, SEEN_TIMEOUT_S)
            warm = sight.blink()
            # 2. What is measured.
            before = await ground.metrics("detector")
            offered = await generator.play(load.measured, max_age_ms=MAX_AGE_MS)
            await _all_seen(ground, sight, offered.frames, SEEN_TIMEOUT_S)
            after = await ground.metrics("detector")
        # 3. The money of all that.
        for session in sessions:
            await books.close_session(session, published=reel.taken_of(session.stream))
        detected = warm.statuses[Status.DETECTED] + sight.seen.statuses[Status.DETECTED]
        exact = await books.are_exact((ACCOUNT,), detected=detected)
    return figures(sight.seen, offered, _engine_figures(before, after)) | {"exact": exact}


async def _open_sessions(books: Books, load: Load) -> list[OpenedSession]:
    wanted = {stream: load.frames_of(stream) for stream in STREAMS}
    await books.open_account(ACCOUNT, frames=sum(wanted.values()))
    return [
        await books.open_session(ACCOUNT, stream, frames=frames)
        for stream, frames in wanted.items()
    ]


async def _all_seen(ground: Ground, sight: Sight, frames: int, timeout_s: float) -> None:
    await ground.until(
        lambda: sight.seen.frames >= frames,
        what=f"all {frames} frames have ended",
        timeout_s=timeout_s,
    )


def _engine_figures(before: Metrics, after: Metrics) -> Fields:
    """Return the engine's own time for a batch, and how large batches were."""
    seconds, batches, images = (
        after.total(name) - before.total(name)
        for name in (
            "framemeter_detector_engine_seconds_total",
            "framemeter_detector_batches_total",
            "framemeter_detector_images_total",
        )
    )
    return {
        "engine": detector_figures(after)["engine"],
        "inference_ms": round(seconds / batches * 1_000, 1) if batches else None,
        "batch_mean": round(images / batches, 2) if batches else None,
    }


def figures(seen: Seen, offered: Offered, engine: Fields) -> Fields:
    """Return what was seen of an offered load, beside what the engine took for it."""
    p50_ms, inference_ms = seen.latency_ms(0.50), engine["inference_ms"]
    known = p50_ms is not None and inference_ms is not None
    return {
        "p50_ms": p50_ms,
        "p95_ms": seen.latency_ms(0.95),
        "p99_ms": seen.latency_ms(0.99),
        "p50_minus_inference_ms": round(p50_ms - inference_ms, 1) if known else None,
        **engine,
        "generator_lag_p99_ms": offered.lag_ms(0.99),
        "frames": {status.value: seen.statuses[status] for status in Status},
        "copies": seen.copies,
    }


def _parameters(site: Site, load: Load) -> Fields:
    return {
        "load": load.share,
        "rate_per_second": round(load.rate, 1),
        "seconds": site.seconds,
        "streams": len(STREAMS),
        "max_age_ms": MAX_AGE_MS,
    }
