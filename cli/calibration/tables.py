"""Measured costs beside prices, as a table. Pure: no IO but what rich draws."""

from collections.abc import Sequence
from fractions import Fraction

from rich.table import Table

from billing.tariff import Tariff, price_of_frame
from cli import terminal
from cli.calibration.costs import Cost
from cli.calibration.proposal import PROMISED, error, terms_of

COLUMNS = (
    "model",
    "size",
    "batch",
    "ms/frame",
    "images/s",
    "relative",
    "±",
    "price now",
    "error",
    "proposed",
    "error ",
)


def of_costs(costs: Sequence[Cost], *, base: Tariff, proposed: Tariff, engine: str) -> Table:
    """Return one row for each model and size; errors are those of a price against the cost."""
    view = terminal.table(
        f"What a frame costs here: {engine}; relative to yolov8s at 640x640",
        COLUMNS,
        numbers=COLUMNS[2:],
    )
    for cost in costs:
        view.add_row(
            f"{cost.model} *" if cost.random_weights else cost.model,
            f"{cost.height}x{cost.width}",
            str(cost.batch),
            f"{cost.seconds * 1_000:.1f}",
            f"{1 / cost.seconds:.1f}",
            f"{cost.relative:.3f}",
            _doubt(cost),
            *_priced(cost, base, base),
            *_priced(cost, proposed, base),
        )
    view.caption = (
        f"prices in tokens of tariff {base.version} and of the proposal {proposed.version}"
        + ("; * random weights of this architecture" if _any_random(costs) else "")
    )
    return view


def _priced(cost: Cost, tariff: Tariff, base: Tariff) -> tuple[str, str]:
    price = terminal.tokens(price_of_frame(terms_of(cost), tariff))
    return price, _percent(error(tariff, cost, base=base))


def _percent(amount: Fraction) -> str:
    text = f"{float(100 * amount):+.1f} %"
    return text if abs(amount) <= PROMISED else f"[red]{text}[/red]"


def _doubt(cost: Cost) -> str:
    text = f"{100 * cost.doubt:.1f} %"
    return f"[red]{text} noisy[/red]" if cost.is_noisy else text


def _any_random(costs: Sequence[Cost]) -> bool:
    return any(cost.random_weights for cost in costs)
