"""Where each millisecond of a frame goes: a steady load of a quarter, and a saturated detector.

Writes the picture `docs/waterfall.svg`, which docs/performance.md explains.
"""

from collections.abc import AsyncIterator
from statistics import fmean

from benchmarks.drawing import draw, saturated_panel, steady_panel
from benchmarks.ground import Site
from benchmarks.machine import ROOT
from benchmarks.play import Heard, playing
from benchmarks.record import Fields, Measured
from benchmarks.schedule import schedule
from benchmarks.stages import Inside, Stage, between, total_ms, waterfall, work
from cli.demo.result import detector_figures
from cli.demo.scrape import Metrics

PICTURE = ROOT / "docs" / "waterfall.svg"
STREAMS = tuple(f"camera-{number}" for number in range(8))
LOAD = 0.25
MAX_AGE_MS = 5_000


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement, and draw it."""
    async with playing(site, "waterfall", STREAMS) as play:
        site.say("saturated")
        capacity = await play.ready_capacity()
        saturated = await play.ground.metrics("detector")
        rate = LOAD * capacity
        site.say(f"steady: {rate:.1f} frames/s for {site.seconds:.0f} s")
        heard = await play.offer(
            list(schedule(STREAMS, rate=rate, seconds=site.seconds)), max_age_ms=MAX_AGE_MS
        )
        ended = await play.ground.metrics("detector")
    way = waterfall(
        between(saturated, ended),
        acked_ms=fmean(heard.offered.acked_ms),
        finished_ms=fmean(heard.seen.finished_ms),
        visible_ms=fmean(heard.seen.latencies_ms),
    )
    full = between(Metrics(()), saturated)
    engine, model = detector_figures(ended)["engine"], play.subject.name
    size = f"{play.subject.height}x{play.subject.width}"
    picture = draw(
        [
            steady_panel(
                way, note=f"{model} {size}, {engine}, {rate:.1f} frames/s; means, one after another"
            ),
            saturated_panel(
                work(full),
                frame_ms=1_000 / capacity,
                note=f"{capacity:.1f} images/s; these run side by side: the longest one decides",
            ),
        ]
    )
    PICTURE.write_text(picture, "utf-8")
    yield Measured(
        benchmark="waterfall",
        parameters=play.described()
        | {"load": LOAD, "rate_per_second": round(rate, 1), "seconds": site.seconds},
        figures=figures(way, full, capacity, heard) | {"engine": engine, "exact": heard.is_exact},
    )


def figures(way: list[Stage], full: Inside, capacity: float, heard: Heard) -> Fields:
    """Return the stages of both runs in milliseconds."""
    return {
        "steady_ms": {stage.name: round(stage.takes_ms, 2) for stage in way},
        "steady_total_ms": round(total_ms(way), 1),
        "saturated_ms": {stage.name: round(stage.takes_ms, 2) for stage in work(full)},
        "saturated_frame_ms": round(1_000 / capacity, 2),
        "capacity_per_second": round(capacity, 1),
        "p50_ms": heard.seen.latency_ms(0.50),
        "generator_lag_p99_ms": heard.offered.lag_ms(0.99),
    }
