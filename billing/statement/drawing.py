"""Charts as SVG elements: columns stacked by series over time, and bars with their numbers.

Pure. Lengths are user units of the view box; colours are classes that the page's style fills.
Every chart has a title and a description for who cannot see it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from billing.statement.markup import Attributes, element

WIDTH, HEIGHT = 720, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 6, 10, 26
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
GRID_LINES = 4
ROUND = (10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100)
BAR_HEIGHT, BAR_STEP, BAR_WIDTH, BAR_NAME_WIDTH, BAR_VALUE_WIDTH = 16, 28, 340, 68, 118


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The values (at least 0) of one colour: one for each column."""

    name: str
    color: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """A chart over time. `names` are the columns' full names, `ticks` what the axis says."""

    title: str
    description: str
    names: tuple[str, ...]
    ticks: tuple[tuple[int, str], ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: `label` is shown at its end."""

    name: str
    color: str
    value: int
    label: str


def scale_top(largest: int) -> int:
    """Return the least round number, 100 or more, that holds `largest`.

    Each is divided by four grid lines without a rest.
    """
    assert largest >= 0
    tenth: int = 10 ** max(len(str(largest)) - 2, 1)
    return next(step * tenth for step in ROUND if step * tenth >= largest)


def columns(chart: Columns, *, axis: Callable[[int], str], exact: Callable[[int], str]) -> Element:
    """Return stacked columns; `axis` and `exact` write values, short and in full."""
    count = len(chart.names)
    assert all(len(series.values) == count for series in chart.series)
    sums = [sum(series.values[index] for series in chart.series) for index in range(count)]
    top = scale_top(max(sums, default=0))
    parts = [
        *_grid(top, axis),
        *(part for index in range(count) for part in _column(chart, index, top, exact)),
        *_ticks(chart.ticks, count),
    ]
    return _chart((WIDTH, HEIGHT), chart.title, chart.description, parts)


def bars(title: str, description: str, shown: Sequence[Bar]) -> Element:
    """Return horizontal bars, each with its name before it and its number after it."""
    longest = max((bar.value for bar in shown), default=0) or 1
    room = BAR_WIDTH - BAR_NAME_WIDTH - BAR_VALUE_WIDTH
    parts = []
    for index, bar in enumerate(shown):
        y = index * BAR_STEP + (BAR_STEP - BAR_HEIGHT) / 2
        length = max(room * bar.value / longest, 1.5) if bar.value else 0.0
        middle = y + BAR_HEIGHT / 2
        parts += [
            _text(bar.name, BAR_NAME_WIDTH - 8, middle, "end"),
            element(
                "rect",
                {
                    "class": bar.color,
                    "x": BAR_NAME_WIDTH,
                    "y": y,
                    "width": length,
                    "height": BAR_HEIGHT,
                    "rx": 1.5,
                },
            ),
            _text(bar.label, BAR_NAME_WIDTH + length + 6, middle, "start"),
        ]
    return _chart((BAR_WIDTH, max(len(shown), 1) * BAR_STEP), title, description, parts)


def _chart(size: tuple[int, int], title: str, description: str, parts: list[Element]) -> Element:
    attributes = {"viewBox": f"0 0 {size[0]} {size[1]}", "role": "img", "aria-label": title}
    told = [element("title", None, title), element("desc", None, description)]
    return element("svg", attributes, *told, *parts)


def _grid(top: int, axis: Callable[[int], str]) -> Iterator[Element]:
    for line in range(GRID_LINES + 1):
        y = TOP + PLOT_HEIGHT * (1 - line / GRID_LINES)
        kind = "grid" if line else "axis"
        ends: Attributes = {"x1": LEFT, "x2": WIDTH - RIGHT, "y1": y, "y2": y}
        yield element("line", {"class": kind, **ends})
        yield _text(axis(top * line // GRID_LINES), LEFT - 8, y, "end")


def _column(chart: Columns, index: int, top: int, exact: Callable[[int], str]) -> Iterator[Element]:
    step = PLOT_WIDTH / len(chart.names)
    gap = min(2.0, step / 5)
    below = 0
    for series in chart.series:
        if not (value := series.values[index]):
            continue
        height = PLOT_HEIGHT * value / top
        attributes: Attributes = {
            "class": series.color,
            "x": LEFT + index * step + gap / 2,
            "y": TOP + PLOT_HEIGHT * (1 - below / top) - height,
            "width": step - gap,
            "height": height,
        }
        hint = f"{series.name}, {chart.names[index]}: {exact(value)}"
        yield element("rect", attributes, element("title", None, hint))
        below += value


def _ticks(ticks: Sequence[tuple[int, str]], count: int) -> Iterator[Element]:
    step = PLOT_WIDTH / count if count else 0.0
    for index, text in ticks:
        yield _text(text, LEFT + (index + 0.5) * step, HEIGHT - BOTTOM / 2 + 2, "middle")


def _text(text: str, x: float, y: float, anchor: str) -> Element:
    attributes: Attributes = {"x": x, "y": y, "text-anchor": anchor, "dominant-baseline": "central"}
    return element("text", attributes, text)
