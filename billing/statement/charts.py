"""Which charts a statement has: frames by status, and tokens by stream over time. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

from billing.statement.amounts import count, share, short_tokens, tokens
from billing.statement.drawing import Bar, Columns, Series, bars, columns
from billing.statement.figures import Statement, Step
from billing.statement.markup import element
from wire.usage import Status

COLORS = ("s1", "s2", "s3", "s4", "s5", "s6")
"""More streams than these are drawn together, in the colour `rest`."""
REST = "rest"
STATUS_COLORS = {
    Status.DETECTED: "s1",
    Status.CACHED: "s2",
    Status.FAILED: "s5",
    Status.EXPIRED: "s3",
    Status.REJECTED: "s4",
}
TICKS_MAX = 8
LENGTH: dict[Step, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTime:
    """A drawing and the series in it, for its legend."""

    drawing: Element
    series: tuple[Series, ...]


def by_status(made: Statement) -> Element:
    """Return how many frames ended in which way."""
    frames: Counter[str] = Counter()
    for use in made.contracts:
        frames.update(use.frames)
    total = frames.total()
    shown = [
        Bar(
            name=status.value,
            color=STATUS_COLORS[status],
            value=frames[status],
            label=_of(frames[status], total),
        )
        for status in Status
    ]
    told = ", ".join(f"{bar.name} {bar.label}" for bar in shown)
    return bars("Frames by how they ended", f"{count(total)} frames: {told}.", shown)


def _of(part: int, total: int) -> str:
    return f"{count(part)} ({share(part, total)})" if part else "0"


def over_time(made: Statement) -> OverTime:
    """Return the tokens charged in each step, stacked by stream, the largest streams below."""
    starts = steps(made.period.start, made.period.end, made.step)
    series = _series(made, starts)
    form = "%Y-%m-%d %H:00" if made.step == "hour" else "%Y-%m-%d"
    totals = ", ".join(f"{one.name} {tokens(sum(one.values))}" for one in series)
    chart = Columns(
        title=f"Tokens by stream and {made.step}",
        description=f"{tokens(made.charged)} tokens were charged in all: {totals or 'no stream'}.",
        names=tuple(start.strftime(form) for start in starts),
        ticks=ticks(starts, made.step),
        series=series,
    )
    return OverTime(drawing=columns(chart, axis=short_tokens, exact=tokens), series=series)


def legend(chart: OverTime) -> Element:
    """Return what each colour stands for."""
    return element(
        "ul",
        {"class": "legend"},
        *(
            element("li", None, element("span", {"class": one.color}), one.name)
            for one in chart.series
        ),
    )


def steps(start: datetime, end: datetime, step: Step) -> list[datetime]:
    """Return the beginnings of all hours or days (UTC) that the period touches."""
    first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = first if step == "hour" else first.replace(hour=0)
    length = LENGTH[step]
    return [first + number * length for number in range(-((first - end) // length))]


def ticks(starts: Sequence[datetime], step: Step) -> tuple[tuple[int, str], ...]:
    """Return which steps the axis names, and how: at most eight of them."""
    if step == "day":
        every = -(-len(starts) // TICKS_MAX)
        named = [index for index in range(len(starts)) if index % every == 0]
        return tuple((index, f"{starts[index]:%d %b}".lstrip("0")) for index in named)
    every = next(hours for hours in (1, 2, 3, 6, 12, 24) if len(starts) <= hours * TICKS_MAX)
    named = [index for index, start in enumerate(starts) if start.hour % every == 0]
    return tuple((index, _hour(starts[index])) for index in named)


def _hour(start: datetime) -> str:
    return f"{start:%H:%M}" if start.hour else f"{start:%d %b}".lstrip("0")


def _series(made: Statement, starts: Sequence[datetime]) -> tuple[Series, ...]:
    totals: Counter[str] = Counter()
    for use in made.steps:
        totals[use.stream] += use.millitokens
    ranked = sorted(totals, key=lambda stream: (-totals[stream], stream))
    alone = ranked if len(ranked) <= len(COLORS) else ranked[: len(COLORS) - 1]
    colors = dict(zip(alone, COLORS, strict=False))
    place = {start: index for index, start in enumerate(starts)}
    values = {name: [0] * len(starts) for name in (*alone, REST)}
    for use in made.steps:
        values[use.stream if use.stream in colors else REST][place[use.start]] += use.millitokens
    shown = [Series(name=name, color=colors[name], values=tuple(values[name])) for name in alone]
    if others := len(ranked) - len(alone):
        name = f"{others} other streams"
        shown.append(Series(name=name, color=REST, values=tuple(values[REST])))
    return tuple(shown)
