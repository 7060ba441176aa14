"""From measured costs to a tariff, with no more numbers in it than the costs ask for.

Pure. The reference frame keeps its price; all else is priced by what it costs beside it. A size
class gets one factor while H·W describes its costs within `TOLERANCE`, else the fewest area
points, all of them measured, that do. What was not measured keeps its factor.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from billing.tariff import PriceTerms, Tariff, price_of_frame
from billing.tariff_area import REFERENCE_PIXELS, AreaPoint, area_factor
from cli.calibration.costs import REFERENCE_SIZE, Cost
from wire.balances import MILLITOKENS_PER_TOKEN

TOLERANCE = Fraction("0.03")
"""The fit stops at this error, so that rounded factors stay within what is promised."""
PROMISED = Fraction("0.05")
DIGITS = 6
REFERENCE = PriceTerms(size_class="s", height=REFERENCE_SIZE[0], width=REFERENCE_SIZE[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a size class costs: its factor at 640x640 px, and points where H·W is not enough."""

    factor: Fraction
    points: tuple[AreaPoint, ...] = ()


def propose(base: Tariff, costs: Sequence[Cost], *, version: str, starts_at: datetime) -> Tariff:
    """Return a tariff whose prices follow the costs; plans, tiers and discounts stay."""
    unit = _anchor(base) / (base.alpha * MILLITOKENS_PER_TOKEN)
    shapes = {
        size_class: shape_of(_middles(of_class))
        for size_class, of_class in _by_class(costs).items()
    }
    sizes = dict(base.size_factors)
    points = {name: known for name, known in base.area_points.items() if name not in shapes}
    for name, shape in shapes.items():
        sizes[name] = _rounded(shape.factor * unit / base.task_factors["detect"])
        if shape.points:
            points[name] = shape.points
    proposed = replace(
        base, version=version, starts_at=starts_at, size_factors=sizes, area_points=points
    )
    return replace(proposed, task_factors=_tasks(proposed, costs, unit))


def error(tariff: Tariff, cost: Cost, *, base: Tariff) -> Fraction:
    """Return how far a price lies above (or below) the cost; the reference's price in `base` is
    what its cost stands for.
    """
    due = Fraction(cost.relative) * _anchor(base)
    return price_of_frame(terms_of(cost), tariff) / due - 1


def terms_of(cost: Cost) -> PriceTerms:
    """Return the terms that a frame of this model and size is priced on."""
    return PriceTerms(
        size_class=cost.size_class, height=cost.height, width=cost.width, task=cost.task
    )


def shape_of(middles: Mapping[int, Fraction]) -> Shape:
    """Return the shape of costs by pixels: a factor alone, or points added where it fits worst."""
    known = _growing(middles)
    straight = _middle(cost * REFERENCE_PIXELS / pixels for pixels, cost in known.items())
    shape = Shape(factor=straight)
    chosen = {min(known), max(known)}
    while _worst(shape, known)[0] > TOLERANCE and len(known) > 1:
        shape = _through({pixels: known[pixels] for pixels in sorted(chosen)})
        _, pixels = _worst(shape, known)
        if pixels in chosen:
            break
        chosen.add(pixels)
    return shape


def _anchor(base: Tariff) -> Fraction:
    return Fraction(price_of_frame(REFERENCE, base))


def _by_class(costs: Iterable[Cost]) -> dict[str, list[Cost]]:
    found: dict[str, list[Cost]] = defaultdict(list)
    for cost in costs:
        if cost.task == "detect":
            found[cost.size_class].append(cost)
    return found


def _middles(costs: Iterable[Cost]) -> dict[int, Fraction]:
    """Return one cost for each count of pixels: what all models there are equally far from."""
    found: dict[int, list[Fraction]] = defaultdict(list)
    for cost in costs:
        found[cost.height * cost.width].append(Fraction(cost.relative))
    return {pixels: _middle(found[pixels]) for pixels in sorted(found)}


def _middle(amounts: Iterable[Fraction]) -> Fraction:
    """Return what is as many per cent above the least amount as below the greatest."""
    known = list(amounts)
    low, high = min(known), max(known)
    return 2 * low * high / (low + high)


def _growing(middles: Mapping[int, Fraction]) -> dict[int, Fraction]:
    """Return the costs without those that do not exceed that of a smaller frame."""
    kept: dict[int, Fraction] = {}
    greatest = Fraction(0)
    for pixels, cost in sorted(middles.items()):
        if cost > greatest:
            kept[pixels] = greatest = cost
    return kept


def _through(known: Mapping[int, Fraction]) -> Shape:
    exact = [AreaPoint(pixels=pixels, factor=cost) for pixels, cost in known.items()]
    factor = area_factor(exact, REFERENCE_PIXELS)
    return Shape(
        factor=factor,
        points=tuple(
            AreaPoint(pixels=each.pixels, factor=_rounded(each.factor / factor)) for each in exact
        ),
    )


def _worst(shape: Shape, known: Mapping[int, Fraction]) -> tuple[Fraction, int]:
    """Return the greatest error of a shape, and at how many pixels it is."""
    return max(
        (abs(shape.factor * area_factor(shape.points, pixels) / cost - 1), pixels)
        for pixels, cost in known.items()
    )


def _tasks(tariff: Tariff, costs: Iterable[Cost], unit: Fraction) -> dict[str, Fraction]:
    """Return the task factors; those of measured tasks say what they cost beside detection."""
    ratios: dict[str, list[Fraction]] = defaultdict(list)
    for cost in costs:
        if cost.task != "detect":
            points = tariff.area_points.get(cost.size_class, ())
            shape = tariff.size_factors[cost.size_class] * area_factor(
                points, cost.height * cost.width
            )
            ratios[cost.task].append(Fraction(cost.relative) * unit / shape)
    measured = {task: _rounded(_middle(found)) for task, found in ratios.items()}
    return {**tariff.task_factors, **measured}


def _rounded(factor: Fraction) -> Fraction:
    """Return a factor with few decimals, over 0."""
    scale: int = 10**DIGITS
    return Fraction(max(1, round(factor * scale)), scale)
