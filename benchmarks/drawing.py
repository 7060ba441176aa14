"""The waterfall as an SVG picture: bars with their milliseconds, readable in light and in dark.

Hand-made text, so that a change of a figure is a small difference in a commit. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.stages import Stage, total_ms

WIDTH = 860
LABEL_WIDTH = 240
VALUE_WIDTH = 90
ROW = 30
BAR = 18
HEAD = 62
GAP = 26
MARGIN = 20
BAR_MIN = 2.0
COLOURS = {
    "publish": "#7a8ba3",
    "fetch": "#9aa7b8",
    "batch_wait": "#d29a2e",
    "decode": "#3f8f6b",
    "engine": "#3b6fd4",
    "hold": "#d29a2e",
    "commit": "#a0549e",
    "read": "#9aa7b8",
    "frame": "#5c6670",
}
STYLE = """\
  text { font: 14px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .note, .value { fill: #59636e; }
  .back { fill: #ffffff; }
  .lane { stroke: #d1d9e0; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note, .value { fill: #9198a1; }
    .back { fill: #0d1117; }
    .lane { stroke: #3d444d; }
  }"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One line of a panel."""

    label: str
    colour: str
    starts_ms: float
    takes_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Bars on one scale, with a title and a line that says what they are."""

    title: str
    note: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        """The panel's height in px."""
        return HEAD + ROW * len(self.bars)


def bar(stage: Stage) -> Bar:
    """Return a stage as a bar."""
    return Bar(
        label=stage.text,
        colour=COLOURS[stage.name],
        starts_ms=stage.starts_ms,
        takes_ms=stage.takes_ms,
    )


def whole(label: str, takes_ms: float) -> Bar:
    """Return a bar that others are compared with."""
    return Bar(label=label, colour=COLOURS["frame"], starts_ms=0.0, takes_ms=takes_ms)


def steady_panel(stages: Sequence[Stage], *, note: str) -> Panel:
    """Return the way of one frame through a system that has time."""
    taken = total_ms(stages)
    bars = [*(bar(stage) for stage in stages), whole("capture to visible", taken)]
    return Panel(title="One frame at 25 % load", note=note, bars=bars)


def saturated_panel(stages: Sequence[Stage], *, frame_ms: float, note: str) -> Panel:
    """Return what is done for each frame while the detector is saturated."""
    ordered = sorted(stages, key=lambda stage: stage.takes_ms)
    bars = [*(bar(stage) for stage in ordered), whole("the detector takes a frame", frame_ms)]
    return Panel(title="Work for one frame when saturated", note=note, bars=bars)


def draw(panels: Sequence[Panel]) -> str:
    """Return the picture."""
    height = 2 * MARGIN + sum(panel.height for panel in panels) + GAP * (len(panels) - 1)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" role="img"'
        ' aria-label="Where each millisecond of a frame goes">',
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="back" width="{WIDTH}" height="{height}" rx="8"/>',
    ]
    top = MARGIN
    for panel in panels:
        lines += _panel(panel, top)
        top += panel.height + GAP
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(panel: Panel, top: int) -> list[str]:
    lines = [
        f'<text class="title" x="{MARGIN}" y="{top + 16}">{escape(panel.title)}</text>',
        f'<text class="note" x="{MARGIN}" y="{top + 38}">{escape(panel.note)}</text>',
    ]
    longest = max((each.starts_ms + each.takes_ms for each in panel.bars), default=0.0)
    room = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH
    scale = room / longest if longest else 0.0
    for number, each in enumerate(panel.bars):
        lines += _bar(each, top + HEAD + number * ROW, scale)
    return lines


def _bar(each: Bar, top: int, scale: float) -> list[str]:
    left = MARGIN + LABEL_WIDTH + each.starts_ms * scale
    width = max(BAR_MIN, each.takes_ms * scale)
    base = top + BAR - 4
    return [
        f'<line class="lane" x1="{MARGIN + LABEL_WIDTH}" x2="{WIDTH - MARGIN}"'
        f' y1="{top + BAR + 5}" y2="{top + BAR + 5}"/>',
        f'<text x="{MARGIN}" y="{base}">{escape(each.label)}</text>',
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" rx="3"'
        f' fill="{each.colour}"/>',
        f'<text class="value" x="{left + width + 6:.1f}" y="{base}">{each.takes_ms:.1f} ms</text>',
    ]
