"""Tariffs, their differences and corrections as tables. Pure: no IO but what rich draws."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from rich.table import Table

from billing.rerating import Line, total
from billing.tariff import PriceTerms, Tariff, price_of_frame
from billing.tariff_diff import PriceChange, TariffDiff
from billing.tariff_document import decimal
from cli import terminal

SIZES = ((320, 320), (384, 640), (640, 640), (960, 960), (1280, 1280))
"""The sizes (height, width) that most people ask for."""
LINES_SHOWN_MAX = 100


def of_tariff(tariff: Tariff) -> tuple[Table, Table]:
    """Return the prices of one frame by size and class, and the factors of all else."""
    return _prices(tariff), _factors(tariff)


def _prices(tariff: Tariff) -> Table:
    classes = tuple(tariff.size_factors)
    view = terminal.table(
        f"Tariff {tariff.version} from {tariff.starts_at:%Y-%m-%d %H:%M} UTC: tokens a frame",
        ("size", *classes),
        numbers=classes,
    )
    for height, width in SIZES:
        view.add_row(
            f"{height}x{width}",
            *(
                terminal.tokens(
                    price_of_frame(
                        PriceTerms(size_class=size_class, height=height, width=width), tariff
                    )
                )
                for size_class in classes
            ),
        )
    view.caption = (
        f"detect, standard tier and plan, frames that come alone; at least"
        f" {terminal.tokens(tariff.unit_price_min)}"
    )
    return view


def _factors(tariff: Tariff) -> Table:
    view = terminal.table("Factors", ("what", "factor"), numbers=("factor",))
    view.add_row("alpha", decimal(tariff.alpha))
    _add_factors(view, "size class", tariff.size_factors)
    for name, points in tariff.area_points.items():
        for each in points:
            view.add_row(f"area {name} at {each.pixels} px", decimal(each.factor))
    _add_factors(view, "task", tariff.task_factors)
    _add_factors(view, "tier", {tier.value: f for tier, f in tariff.tier_factors.items()})
    _add_factors(view, "plan", tariff.plans)
    for discount in tariff.batch_discounts:
        view.add_row(f"from {discount.from_images} images at once", decimal(discount.factor))
    return view


def _add_factors(view: Table, kind: str, factors: Mapping[str, Fraction]) -> None:
    for name, factor in factors.items():
        view.add_row(f"{kind} {name}", decimal(factor))


def of_all(tariffs: Sequence[Tariff], *, in_force: str) -> Table:
    """Return one row for each tariff."""
    columns = ("version", "from (UTC)", "", "plans", "640x640 s")
    view = terminal.table("Tariffs", columns, numbers=columns[-1:])
    for tariff in tariffs:
        view.add_row(
            tariff.version,
            f"{tariff.starts_at:%Y-%m-%d %H:%M:%S}",
            "[green]in force[/green]" if tariff.version == in_force else "",
            " ".join(tariff.plans),
            terminal.tokens(
                price_of_frame(PriceTerms(size_class="s", height=640, width=640), tariff)
            ),
        )
    return view


def of_diff(found: TariffDiff, *, before: str, after: str) -> tuple[Table, Table]:
    """Return the factors that change, and the price of a 640x640 frame of each class."""
    factors = terminal.table(
        "Factors that change" if found.factors else "No factor changes",
        ("what", before, after),
        numbers=(before, after),
    )
    for change in found.factors:
        factors.add_row(change.name, change.before or "none", change.after or "none")
    columns = ("size class", before, after, "change")
    prices = terminal.table("Tokens a frame of 640x640", columns, numbers=columns[1:])
    for price in found.prices:
        prices.add_row(
            price.size_class,
            terminal.tokens(price.before),
            terminal.tokens(price.after),
            percent(price),
        )
    return factors, prices


def percent(price: PriceChange) -> str:
    """Return by how much a price changes, to a tenth of a per cent."""
    return f"{float(price.percent):+.1f} %" if price.after != price.before else "same"


def of_lines(lines: Sequence[Line], *, title: str) -> Table:
    """Return the hours that are corrected, with their sums; a long list is cut short."""
    columns = ("session", "hour (UTC)", "frames", "charged", "should be", "difference")
    view = terminal.table(title, columns, numbers=columns[2:])
    view.show_footer = True
    for line in lines[:LINES_SHOWN_MAX]:
        view.add_row(
            f"{line.stream}/{line.epoch}",
            f"{line.hour:%Y-%m-%d %H:%M}",
            f"{line.frames:,}".replace(",", " "),
            *(terminal.tokens(n) for n in (line.charged, line.due, line.difference)),
        )
    if len(lines) > LINES_SHOWN_MAX:
        view.caption = f"and {len(lines) - LINES_SHOWN_MAX} lines more; the sums are of all"
    sums = (sum(line.charged for line in lines), sum(line.due for line in lines), total(lines))
    view.columns[2].footer = f"{sum(line.frames for line in lines):,}".replace(",", " ")
    for column, amount in zip(view.columns[3:], sums, strict=True):
        column.footer = terminal.tokens(amount)
    return view
