"""The decision of a re-rating: what a period would have cost under another tariff.

Pure. A period is whole hours; each (session, hour) is priced anew on the session's own terms, and
the line is what is still missing after all earlier corrections of that hour. So a second time
changes nothing, and re-rating to the tariff that was charged leads back to what was charged.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from billing.ledger import Entry, Kind, Purse
from billing.tariff import PriceTerms, Tariff, price_of_frame
from wire.errors import Rejected
from wire.names import is_name, name_rule

PERIOD_DAYS_MAX = 62
"""How long a period may be: the account's balance is locked while it is re-rated."""
REASON_LENGTH_MAX = 256
_ID_LENGTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerating:
    """What to re-rate: `start` <= hour < `end`, and why."""

    account: str
    start: datetime
    end: datetime
    tariff: str
    reason: str

    @property
    def id(self) -> str:
        """Return the name that the same question always has."""
        period = [moment.astimezone(UTC).isoformat() for moment in (self.start, self.end)]
        asked = json.dumps([self.account, *period, self.tariff, self.reason])
        return hashlib.sha256(asked.encode()).hexdigest()[:_ID_LENGTH]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedHour:
    """The detected frames of a session in an hour, and what they have cost so far.

    `charged` is what the biller took, `corrected` the sum of earlier re-ratings; millitokens.
    """

    stream: str
    epoch: int
    hour: datetime
    frames: int
    charged: int
    corrected: int
    terms: PriceTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one session's hour has cost, what it should have, and the difference to book."""

    stream: str
    epoch: int
    hour: datetime
    frames: int
    charged: int
    due: int

    @property
    def difference(self) -> int:
        """Return what to book in millitokens; below zero: to be paid back."""
        return self.due - self.charged


def check(asked: Rerating, now: datetime) -> None:
    """Raise `Rejected` with what is wrong with the question."""
    if not is_name(asked.account):
        raise Rejected(name_rule("account", asked.account))
    if not 0 < len(asked.reason) <= REASON_LENGTH_MAX or not asked.reason.isprintable():
        raise Rejected(f"a reason has 1 to {REASON_LENGTH_MAX} printable characters")
    for name, moment in (("from", asked.start), ("to", asked.end)):
        if moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0) != moment:
            raise Rejected(f"{name} must be a whole hour, not {moment.isoformat()}")
    if not asked.start < asked.end <= asked.start + timedelta(days=PERIOD_DAYS_MAX):
        raise Rejected(f"from must be before to, by at most {PERIOD_DAYS_MAX} days")
    if asked.end > now:
        raise Rejected("the period has not ended yet: re-rate hours that are over")


def lines(used: Iterable[UsedHour], tariff: Tariff) -> tuple[Line, ...]:
    """Return a line for each hour that was used, also where nothing is to be corrected.

    Raises `Rejected` when the tariff has no price for the terms of a session.
    """
    prices: dict[PriceTerms, int] = {}
    made = []
    for hour in used:
        if hour.terms not in prices:
            prices[hour.terms] = price_of_frame(hour.terms, tariff)
        made.append(
            Line(
                stream=hour.stream,
                epoch=hour.epoch,
                hour=hour.hour,
                frames=hour.frames,
                charged=hour.charged + hour.corrected,
                due=hour.frames * prices[hour.terms],
            )
        )
    return tuple(made)


def total(corrections: Iterable[Line]) -> int:
    """Return what the account pays more, in millitokens; below zero: gets back."""
    return sum(line.difference for line in corrections)


def entries(asked: Rerating, amount: int, available: int) -> list[Entry]:
    """Return the transfers that book `amount`, for an account that has `available`.

    What is paid back becomes available. More is taken from there, and what is missing is owed.
    """
    if amount < 0:
        return [_entry(asked, Purse.REVENUE, Purse.AVAILABLE, -amount)]
    from_available = min(amount, available)
    parts = ((Purse.AVAILABLE, from_available), (Purse.RECEIVABLE, amount - from_available))
    return [_entry(asked, purse, Purse.REVENUE, part) for purse, part in parts if part]


def _entry(asked: Rerating, debit: Purse, credit: Purse, amount: int) -> Entry:
    return Entry(
        kind=Kind.ADJUST,
        account=asked.account,
        debit=debit,
        credit=credit,
        amount=amount,
        reference=f"rerating/{asked.id}",
    )
