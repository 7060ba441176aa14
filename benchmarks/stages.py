"""Where the time of a frame goes: the detector's own histograms, and what was seen outside. Pure.

The stages of a steady load add up to the whole way, from capture to visible: what no histogram
tells is the rest between two moments that are known. Under saturation only work counts, for
there stages overlap: milliseconds a frame, beside the time that the detector takes a frame in all.
"""

from collections.abc import Mapping, Sequence
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
    before = [name for name in ("engine", "decode", "batch_wait") if name in known]
    after = [name for name in ("hold", "commit") if name in known]
    inside_ms, fetched_ms = spent(before, known, finished_ms)
    outside_ms, read_ms = spent(after, known, visible_ms - finished_ms)
    published_ms = min(acked_ms, fetched_ms)
    lengths: dict[str, float] = {
        "publish": published_ms,
        "fetch": fetched_ms - published_ms,
        **{name: inside_ms[name] for name in reversed(before)},
        **outside_ms,
        "read": read_ms,
    }
    stages, at_ms = [], 0.0
    for name, length_ms in lengths.items():
        stages.append(Stage(name=name, starts_ms=at_ms, takes_ms=length_ms))
        at_ms += length_ms
    return stages


def spent(
    names: Sequence[str], known: Mapping[str, float], budget_ms: float
) -> tuple[dict[str, float], float]:
    """Return what each stage takes of a known time, in this order, and what is left of it.

    Means of different sets may add up to a little more; and a reader may see a detection before
    the answer to its commit has come back. What is more than the known time is cut off.
    """
    lengths = {}
    left_ms = max(0.0, budget_ms)
    for name in names:
        lengths[name] = min(known[name], left_ms)
        left_ms -= lengths[name]
    return lengths, left_ms


def work(inside: Inside) -> list[Stage]:
    """Return what each stage of a saturated detector works for one frame, all from zero.

    Of the engine it is the time in which it had at least one batch: two at once count once.
    """
    images, batches = inside.counts["images_total"], inside.counts["batches_total"]
    if not images or not batches:
        return []
    per_batch = inside.means_ms
    found = {"engine": inside.counts["engine_seconds_total"] / images * 1_000}
    if "decode" in per_batch:
        found["decode"] = per_batch["decode"] * batches / images
    if "commit" in per_batch:
        found["commit"] = per_batch["commit"] * inside.counts["transactions_total"] / images
    return [Stage(name=name, starts_ms=0.0, takes_ms=length) for name, length in found.items()]


def total_ms(stages: Sequence[Stage]) -> float:
    """Return when the last stage has ended."""
    return max((stage.starts_ms + stage.takes_ms for stage in stages), default=0.0)
