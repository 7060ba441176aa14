"""Where the time of a frame goes: the detector's own histograms, and what was seen outside. Pure.

The stages of a steady load add up to the whole way, from capture to visible: what no histogram
tells is the rest between two moments that are known. Under saturation only work counts, for
there stages overlap: milliseconds a frame, beside the time that the detector takes a frame in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.demo.scrape import Metrics

PREFIX = "framemeter_detector_"
HISTOGRAMS = {
    "batch_wait": "batch_wait_seconds",
    "decode": "decode_seconds",
    "engine": "engine_batch_seconds",
    "hold": "hold_seconds",
    "commit": "commit_seconds",
}
COUNTERS = ("images_total", "batches_total", "engine_seconds_total", "transactions_total")
TEXTS = {
    "publish": "the broker has the picture",
    "fetch": "the detector fetches it",
    "batch_wait": "waits for its batch",
    "decode": "JPEG to pixels",
    "engine": "inference and boxes",
    "hold": "waits for its transaction",
    "commit": "transaction",
    "read": "a reader fetches the detection",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One part of the way: where it begins, and how long it takes."""

    name: str
    starts_ms: float
    takes_ms: float

    @property
    def text(self) -> str:
        """Say what happens."""
        return TEXTS[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What the detector's metrics say of a time: means of histograms (ms), growth of counters."""

    means_ms: dict[str, float]
    counts: dict[str, float]


def between(before: Metrics, after: Metrics) -> Inside:
    """Return what happened between two looks at a detector's metrics.

    A histogram that the detector does not have is left out.
    """
    means: dict[str, float] = {}
    for stage, name in HISTOGRAMS.items():
        seconds, observed = (
            after.total(f"{PREFIX}{name}_{part}") - before.total(f"{PREFIX}{name}_{part}")
            for part in ("sum", "count")
        )
        if observed:
            means[stage] = seconds / observed * 1_000
    counts = {
        name: after.total(f"{PREFIX}{name}") - before.total(f"{PREFIX}{name}") for name in COUNTERS
    }
    return Inside(means_ms=means, counts=counts)


def waterfall(
    inside: Inside, *, acked_ms: float, finished_ms: float, visible_ms: float
) -> list[Stage]:
    """Return the stages of a frame's way one after another; together they are `visible_ms`.

    `acked_ms`, `finished_ms` and `visible_ms` are means from capture to the broker's answer, to
    the end of inference and to the reader.
    """
    known = inside.means_ms
    before = [name for name in ("batch_wait", "decode", "engine") if name in known]
    after = [name for name in ("hold", "commit") if name in known]
    fetched_ms = finished_ms - sum(known[name] for name in before)
    published_ms = min(acked_ms, max(0.0, fetched_ms))
    read_ms = visible_ms - finished_ms - sum(known[name] for name in after)
    lengths: dict[str, float] = {
        "publish": published_ms,
        "fetch": fetched_ms - published_ms,
        **{name: known[name] for name in before + after},
        "read": read_ms,
    }
    stages, at_ms = [], 0.0
    for name, length_ms in lengths.items():
        length_ms = max(0.0, length_ms)  # means of different sets of frames differ a little
        stages.append(Stage(name=name, starts_ms=at_ms, takes_ms=length_ms))
        at_ms += length_ms
    return stages


def work(inside: Inside) -> list[Stage]:
    """Return what each stage of a saturated detector works for one frame, all from zero."""
    images, batches = inside.counts["images_total"], inside.counts["batches_total"]
    if not images or not batches:
        return []
    per_batch, batch_size = inside.means_ms, images / batches
    found: dict[str, float] = {
        name: per_batch[name] / batch_size for name in ("decode", "engine") if name in per_batch
    }
    if "engine" not in found:
        found["engine"] = inside.counts["engine_seconds_total"] / images * 1_000
    if "commit" in per_batch:
        found["commit"] = per_batch["commit"] * inside.counts["transactions_total"] / images
    return [Stage(name=name, starts_ms=0.0, takes_ms=length) for name, length in found.items()]


def total_ms(stages: Sequence[Stage]) -> float:
    """Return when the last stage has ended."""
    return max((stage.starts_ms + stage.takes_ms for stage in stages), default=0.0)
