"""The tables of a statement: pure, every number exact."""

from collections import Counter
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from billing.statement.amounts import MINUS, count, moment, tokens
from billing.statement.charts import steps
from billing.statement.figures import ContractUse, Entry, Statement
from billing.statement.markup import element
from wire.usage import Status

NUMBER = {"class": "number"}
ENTRY_NAMES = {"topup": "Top-up", "adjust": "Adjustment"}

Cell = str | Element


def movement(made: Statement) -> Element:
    """Return how the opening balance became the closing one."""
    moved = made.movement
    added = "+" if moved.adjustments >= 0 else MINUS
    rows = [
        _sum_row("", f"Opening, {moment(made.period.start)}", moved.opening),
        _sum_row("+", "Top-ups", moved.topups),
        _sum_row(MINUS, "Charges", moved.charges),
        _sum_row(added, "Adjustments", abs(moved.adjustments)),
        _sum_row("=", f"Closing, {moment(made.period.end)}", moved.closing, kind="total"),
    ]
    return element("table", None, element("tbody", None, *rows))


def _sum_row(sign: str, name: str, millitokens: int, *, kind: str = "") -> Element:
    return element(
        "tr",
        {"class": kind} if kind else None,
        element("td", {"class": "sign"}, sign),
        element("th", {"scope": "row"}, name),
        element("td", NUMBER, tokens(millitokens)),
    )


def contracts(made: Statement) -> Element:
    """Return what each stream used, a line for each price that it had."""
    columns = ("Stream", "Price a frame", *(status.value for status in Status), "Charged")
    is_adjusted = made.adjusted != 0 or any(use.adjusted for use in made.contracts)
    head = (*columns, "Adjusted") if is_adjusted else columns
    frames: Counter[str] = Counter()
    for use in made.contracts:
        frames.update(use.frames)
    total: list[Cell] = ["Total", "", *_counts(frames), tokens(made.charged)]
    return _table(
        head,
        [_contract(use, is_adjusted=is_adjusted) for use in made.contracts],
        [*total, tokens(made.adjusted)] if is_adjusted else total,
    )


def _contract(use: ContractUse, *, is_adjusted: bool) -> list[Cell]:
    form = f"{use.model} {use.height}×{use.width}"  # noqa: RUF001  (a size)
    cells: list[Cell] = [
        element("span", None, use.stream, element("small", None, form)),
        element(
            "span",
            None,
            tokens(use.unit_price),
            element("small", None, f"{use.tariff} {use.tier}"),
        ),
        *_counts(use.frames),
        tokens(use.millitokens),
    ]
    return [*cells, tokens(use.adjusted)] if is_adjusted else cells


def _counts(frames: dict[str, int]) -> list[Cell]:
    return [count(frames.get(status, 0)) for status in Status]


def entries(made: Statement) -> Element:
    """Return the top-ups and adjustments, in their order."""
    return _table(
        ("Booked", "Kind", "Reference", "Tokens"),
        [_entry(entry) for entry in made.entries],
        None,
        texts=2,
    )


def _entry(entry: Entry) -> list[Cell]:
    kind = ENTRY_NAMES[entry.kind]
    return [moment(entry.at), kind, entry.reference, tokens(entry.millitokens)]


def over_time(made: Statement) -> Element:
    """Return the chart's numbers, to be opened by who wants them."""
    sums = {start: [0, 0, 0] for start in steps(made.period.start, made.period.end, made.step)}
    for use in made.steps:
        sums[use.start][0] += use.frames
        sums[use.start][1] += use.millitokens
        sums[use.start][2] += use.adjusted
    rows: list[list[Cell]] = [
        [moment(start), count(frames), tokens(charged), tokens(adjusted)]
        for start, (frames, charged, adjusted) in sums.items()
        if frames or adjusted
    ]
    head = (made.step.capitalize(), "Frames", "Charged", "Adjusted")
    summary = element("summary", None, f"All streams by {made.step}, in numbers")
    return element("details", None, summary, _table(head, rows, None))


def _table(
    head: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    total: Sequence[Cell] | None,
    *,
    texts: int = 0,
) -> Element:
    """Return a table whose first column names the row, then `texts` texts, then numbers."""
    titles = [
        element("th", {"scope": "col", **(NUMBER if index > texts else {})}, title)
        for index, title in enumerate(head)
    ]
    parts = [
        element("thead", None, element("tr", None, *titles)),
        element("tbody", None, *(_row(row, texts) for row in rows)),
    ]
    if total is not None:
        parts.append(element("tfoot", None, _row(total, texts)))
    return element("table", None, *parts)


def _row(cells: Sequence[Cell], texts: int) -> Element:
    named, *others = cells
    return element(
        "tr",
        None,
        element("th", {"scope": "row"}, named),
        *(
            element("td", NUMBER if index >= texts else None, cell)
            for index, cell in enumerate(others)
        ),
    )
