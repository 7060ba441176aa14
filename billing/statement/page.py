"""The page of a statement: pure, from figures to one self-contained HTML text."""

from datetime import timedelta
from functools import cache
from pathlib import Path
from xml.etree.ElementTree import Element

from billing.statement import charts, tables
from billing.statement.amounts import count, moment, tokens
from billing.statement.figures import ENTRIES_MAX, Statement
from billing.statement.markup import document, element

STYLE = Path(__file__).parent / "style.css"
SETTLING = timedelta(minutes=5)
"""A period that ended less than this before the page was made may still get charges."""


def page(made: Statement) -> str:
    """Return the HTML page."""
    body = element(
        "body",
        None,
        element("header", None, *_heading(made)),
        element(
            "main",
            None,
            element("div", {"class": "pair"}, *_overview(made)),
            *_over_time(made),
            *_streams(made),
            *_entries(made),
            *_chain(made),
        ),
        _footer(made),
    )
    title = f"Statement of {made.account}, {_range(made)}"
    return document(title=title, style=_style(), body=body)


@cache
def _style() -> str:
    return STYLE.read_text(encoding="utf-8")


def _range(made: Statement) -> str:
    return f"{moment(made.period.start)} to {moment(made.period.end)} UTC"


def _heading(made: Statement) -> list[Element]:
    return [
        element("p", {"class": "kind"}, "framemeter statement"),
        element("h1", None, made.account),
        element("p", None, _range(made)),
    ]


def _overview(made: Statement) -> list[Element]:
    return [
        element("section", None, element("h2", None, "Balance"), tables.movement(made)),
        element(
            "section",
            None,
            element("h2", None, "Frames by how they ended"),
            element("figure", None, charts.by_status(made)),
            element("p", {"class": "soft"}, "Only detected frames cost tokens."),
        ),
    ]


def _over_time(made: Statement) -> list[Element]:
    if not made.steps:
        return []
    chart = charts.over_time(made)
    figure = element(
        "figure",
        None,
        _wide(chart.drawing),
        charts.legend(chart),
    )
    title = f"Tokens by stream and {made.step}"
    return [element("section", None, element("h2", None, title), figure, tables.over_time(made))]


def _streams(made: Statement) -> list[Element]:
    if not made.contracts:
        return [_section("Streams", element("p", None, "No frames in this period."))]
    text = "A line for each price contract; charged are the detected frames, at its price a frame."
    intro = element("p", {"class": "soft"}, text)
    return [_section("Streams", intro, _wide(tables.contracts(made)), *_edges(made))]


def _edges(made: Statement) -> list[Element]:
    """Tell why the frames of the period and its charges may differ."""
    difference = made.movement.charges - made.charged
    if not difference:
        text = "These charges are exactly what was taken from the balance in this period."
    else:
        text = (
            "Frames count when they were captured, charges when they were booked: "
            f"{tokens(abs(difference))} tokens were "
            + ("booked in this period for" if difference > 0 else "not booked in this period, of")
            + " frames at its edges."
        )
    return [element("p", {"class": "soft"}, text)]


def _entries(made: Statement) -> list[Element]:
    title = "Top-ups and adjustments"
    if not made.entries:
        return [_section(title, element("p", None, "None in this period."))]
    parts = [_wide(tables.entries(made))]
    if made.entries_in_all > len(made.entries):
        text = f"The first {count(ENTRIES_MAX)} of {count(made.entries_in_all)}; all are summed up."
        parts.append(element("p", {"class": "soft"}, text))
    return [_section(title, *parts)]


def _chain(made: Statement) -> list[Element]:
    head = made.chain_head
    if head is None:
        text = "No transfer has been sealed yet."
        return [_section("The ledger's seal", element("p", None, text))]
    text = (
        f"Up to transfer {count(head.position)} ({moment(head.at)} UTC) the whole ledger is sealed"
        " by a chain of hashes. Keep this one: an audit that comes to the same hash proves that"
        " nothing before it was changed."
    )
    return [
        _section(
            "The ledger's seal",
            element("p", None, element("code", None, head.hash.hex())),
            element("p", {"class": "soft"}, text),
        )
    ]


def _footer(made: Statement) -> Element:
    notes = [
        "Amounts are tokens, times are UTC. The balance is what is free plus what is held for open"
        " sessions, less what is owed."
    ]
    if made.made_at < made.period.end + SETTLING:
        notes.append("This period may still get charges: frames of its end can be under way.")
    notes.append(f"Made {moment(made.made_at)} UTC from the ledger as it was then.")
    return element("footer", None, *(element("p", {"class": "soft"}, note) for note in notes))


def _wide(part: Element) -> Element:
    """Return what a narrow window scrolls sideways, also by keys."""
    return element("div", {"class": "wide", "tabindex": "0"}, part)


def _section(title: str, *parts: Element) -> Element:
    return element("section", None, element("h2", None, title), *parts)
