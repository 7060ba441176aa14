"""A tariff as a JSON document, and back: factors are decimal numbers in quotes, never floats.

Promises that `decode(encode(tariff)) == tariff`, and that what cannot be a price table is refused
with words that say which member is wrong and what it must be.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from billing.tariff import (
    STANDARD_PLAN,
    BatchDiscount,
    Tariff,
)
from billing.tariff_area import AreaPoint, area_factor
from wire.balances import MILLITOKENS_PER_TOKEN
from wire.errors import Rejected
from wire.frames import SIDE_MAX, Tier
from wire.models import SIZE_CLASSES, TASKS
from wire.names import is_name, name_rule
from wire.sessions import BATCH_IMAGES_MAX

DOCUMENT_LENGTH_MAX = 64 * 1024
PLANS_MAX = 100
DISCOUNTS_MAX = 20
AREA_POINTS_MAX = 32
UNIT_PRICE_MAX = 10**9
"""In millitokens; the dearest frame that a tariff may know. Ten billion of them fit 64 bits."""
DECIMALS_MAX = 9
_DECIMAL = re.compile(rf"[0-9]{{1,6}}(\.[0-9]{{1,{DECIMALS_MAX}}})?", re.ASCII)
_TIERS = tuple(tier.value for tier in Tier)


def decode(text: str) -> Tariff:
    """Return the checked tariff of a document; raise `Rejected` with what is wrong with it."""
    if len(text) > DOCUMENT_LENGTH_MAX:
        raise Rejected(f"a tariff has at most {DOCUMENT_LENGTH_MAX} characters, not {len(text)}")
    try:
        found = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the tariff is not JSON: {error}") from error
    members = _members("the tariff", found, tuple(_READERS), _OPTIONAL)
    tariff = Tariff(
        **{name: read(name, members[name]) for name, read in _READERS.items() if name in members}
    )
    _check_dearest(tariff)
    return tariff


def encode(tariff: Tariff) -> str:
    """Return the tariff's document, indented for people; equal tariffs give equal documents."""
    document = {
        "version": tariff.version,
        "starts_at": tariff.starts_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "alpha": decimal(tariff.alpha),
        "size_factors": _texts(tariff.size_factors, SIZE_CLASSES),
        "task_factors": _texts(tariff.task_factors, TASKS),
        "tier_factors": _texts({tier.value: f for tier, f in tariff.tier_factors.items()}, _TIERS),
        "batch_discounts": [
            {"from_images": each.from_images, "factor": decimal(each.factor)}
            for each in tariff.batch_discounts
        ],
        "plans": _texts(tariff.plans, sorted(tariff.plans)),
        "unit_price_min": tariff.unit_price_min,
    }
    if tariff.area_points:
        document["area_points"] = {
            name: [
                {"pixels": each.pixels, "factor": decimal(each.factor)}
                for each in tariff.area_points[name]
            ]
            for name in SIZE_CLASSES
            if name in tariff.area_points
        }
    return json.dumps(document, indent=2)


def decimal(factor: Fraction) -> str:
    """Return the factor as an exact decimal; one with more than nine decimals is our mistake."""
    scaled = factor * 10**DECIMALS_MAX
    assert scaled.denominator == 1, f"{factor} has no exact decimal"
    whole, rest = divmod(scaled.numerator, 10**DECIMALS_MAX)
    return f"{whole}.{rest:0{DECIMALS_MAX}d}".rstrip("0").rstrip(".")


def _texts(factors: Mapping[str, Fraction], order: Sequence[str]) -> dict[str, str]:
    return {name: decimal(factors[name]) for name in order}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Rejected(f"member {twice[:80]!r} is there twice")
    return members


def _members(
    where: str, value: Any, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the object, whose members are `names`; those that are `optional` may be missing."""
    if not isinstance(value, dict):
        raise Rejected(f"{where} must be an object with the members {' '.join(names)}")
    for name in value:
        if name not in names:
            raise Rejected(f"{where} has an unknown member {name[:80]!r}; known: {' '.join(names)}")
    for name in names:
        if name not in value and name not in optional:
            raise Rejected(f"{where} lacks the member {name!r}")
    return value


def _version(name: str, value: Any) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise Rejected(name_rule(name, str(value)[:80]))
    return value


def _moment(name: str, value: Any) -> datetime:
    rule = f"{name} must be a time with its zone, such as 2027-01-01T00:00:00Z"
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise Rejected(f"{rule}: {value!r} has no zone")
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise Rejected(f"{rule}, not {str(value)[:80]!r}") from error


def _factor(name: str, value: Any) -> Fraction:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value) or not Fraction(value):
        raise Rejected(
            f"{name} must be a decimal over 0 in quotes, at most {DECIMALS_MAX} decimals, such as"
            f' "0.7", not {json.dumps(value)[:80]}'
        )
    return Fraction(value)


def _factors(*names: str) -> Callable[[str, Any], Mapping[str, Fraction]]:
    def read(where: str, value: Any) -> Mapping[str, Fraction]:
        members = _members(where, value, names)
        return MappingProxyType({name: _factor(f"{where}.{name}", members[name]) for name in names})

    return read


def _tier_factors(where: str, value: Any) -> Mapping[Tier, Fraction]:
    factors = _factors(*_TIERS)(where, value)
    return MappingProxyType({Tier(name): factor for name, factor in factors.items()})


def _plans(where: str, value: Any) -> Mapping[str, Fraction]:
    if not isinstance(value, dict) or not 1 <= len(value) <= PLANS_MAX:
        raise Rejected(f"{where} must be an object with 1 to {PLANS_MAX} plans and their factors")
    for name in value:
        if not is_name(name):
            raise Rejected(name_rule("plan", name[:80]))
    plans = {name: _factor(f"{where}.{name}", value[name]) for name in sorted(value)}
    if plans.get(STANDARD_PLAN) != 1:
        raise Rejected(f'{where}.{STANDARD_PLAN} must be "1": it is what accounts begin with')
    return MappingProxyType(plans)


def _discounts(where: str, value: Any) -> tuple[BatchDiscount, ...]:
    if not isinstance(value, list) or len(value) > DISCOUNTS_MAX:
        raise Rejected(f"{where} must be a list of at most {DISCOUNTS_MAX} discounts")
    discounts = tuple(_discount(f"{where}[{place}]", each) for place, each in enumerate(value))
    for before, after in pairwise(discounts):
        if after.from_images <= before.from_images:
            raise Rejected(f"{where} must grow in from_images: {after.from_images} is out of order")
    return discounts


def _discount(where: str, value: Any) -> BatchDiscount:
    members = _members(where, value, ("from_images", "factor"))
    from_images = _integer(f"{where}.from_images", members["from_images"], 2, BATCH_IMAGES_MAX)
    factor = _factor(f"{where}.factor", members["factor"])
    if factor > 1:
        raise Rejected(f"{where}.factor must be at most 1: it is a discount")
    return BatchDiscount(from_images=from_images, factor=factor)


def _area_points(where: str, value: Any) -> Mapping[str, tuple[AreaPoint, ...]]:
    members = _members(where, value, SIZE_CLASSES, SIZE_CLASSES)
    return MappingProxyType(
        {
            name: _points(f"{where}.{name}", members[name])
            for name in SIZE_CLASSES
            if name in members
        }
    )


def _points(where: str, value: Any) -> tuple[AreaPoint, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= AREA_POINTS_MAX:
        raise Rejected(f"{where} must be a list of 1 to {AREA_POINTS_MAX} points")
    points = tuple(_point(f"{where}[{place}]", each) for place, each in enumerate(value))
    for before, after in pairwise(points):
        if after.pixels <= before.pixels or after.factor <= before.factor:
            raise Rejected(f"{where} must grow in pixels and in factor: a larger frame costs more")
    return points


def _point(where: str, value: Any) -> AreaPoint:
    members = _members(where, value, ("pixels", "factor"))
    return AreaPoint(
        pixels=_integer(f"{where}.pixels", members["pixels"], 1, SIDE_MAX * SIDE_MAX),
        factor=_factor(f"{where}.factor", members["factor"]),
    )


def _price_min(name: str, value: Any) -> int:
    return _integer(name, value, 1, UNIT_PRICE_MAX)


def _integer(name: str, value: Any, least: int, greatest: int) -> int:
    if type(value) is not int or not least <= value <= greatest:
        raise Rejected(f"{name} must be a whole number from {least} to {greatest}")
    return value


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "version": _version,
    "starts_at": _moment,
    "alpha": _factor,
    "size_factors": _factors(*SIZE_CLASSES),
    "task_factors": _factors(*TASKS),
    "tier_factors": _tier_factors,
    "batch_discounts": _discounts,
    "plans": _plans,
    "unit_price_min": _price_min,
    "area_points": _area_points,
}
_OPTIONAL = ("area_points",)


def _check_dearest(tariff: Tariff) -> None:
    """Raise `Rejected` when the greatest picture, on the dearest of all terms, costs too much."""
    factors = (tariff.task_factors, tariff.tier_factors, tariff.plans)
    dearest = tariff.alpha * max(
        factor * area_factor(tariff.area_points.get(name, ()), SIDE_MAX * SIDE_MAX)
        for name, factor in tariff.size_factors.items()
    )
    for each in factors:
        dearest *= max(each.values())
    if dearest * MILLITOKENS_PER_TOKEN > UNIT_PRICE_MAX:
        raise Rejected(
            f"the dearest frame would cost {dearest.numerator // dearest.denominator} tokens and"
            f" may cost {UNIT_PRICE_MAX // MILLITOKENS_PER_TOKEN}: lower the factors"
        )
