"""Rules about charges: every detected frame is paid once, at the published price, everywhere.

The same sum is demanded of the sessions, of usage by minute and by hour, and of the transfers.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from tests.torture.checker.evidence import Evidence, minute_of
from tests.torture.checker.ledger import Row
from tests.torture.checker.prices import NoPrice, documents, price_of

Slot = tuple[str, int, datetime, str, str]
"""Stream, epoch, minute or hour, status, account."""


def prices(it: Evidence) -> Iterator[str]:
    """A session's price is the formula's."""
    tariffs = documents(it.ledger.tariffs)
    classes = {model.model: model.size_class for model in it.seen.models}
    for (stream, epoch), session in it.sessions.items():
        try:
            expected = price_of(session, classes[session["model"]], tariffs[session["tariff"]])
        except (NoPrice, KeyError) as error:
            yield f"{stream}/{epoch} has no price by tariff {session['tariff']}: {error}"
            continue
        if session["unit_price"] != expected:
            yield f"{stream}/{epoch} pays {session['unit_price']} a frame, not {expected}"


def tariffs(it: Evidence) -> Iterator[str]:
    """A session's tariff is the one that was in force when it opened."""
    for (stream, epoch), session in it.sessions.items():
        started = [row for row in it.ledger.tariffs if row["starts_at"] <= session["opened_at"]]
        newest = max(started, key=lambda row: row["starts_at"], default=None)
        if newest is None or newest["version"] != session["tariff"]:
            in_force = newest and newest["version"]
            yield f"{stream}/{epoch} has tariff {session['tariff']}; in force was {in_force}"


def sessions(it: Evidence) -> Iterator[str]:
    """A session pays for its distinct detected frames."""
    for key, session in it.sessions.items():
        if session["charged_frames"] != it.detected[key]:
            yield (
                f"{key[0]}/{key[1]} pays for {session['charged_frames']} frames;"
                f" {it.detected[key]} were detected"
            )


def minutes(it: Evidence) -> Iterator[str]:
    """Usage by minute is what the usage events add up to."""
    return _compare(it, it.ledger.minutes, "minute")


def hours(it: Evidence) -> Iterator[str]:
    """Usage by hour is what the usage events add up to."""
    return _compare(it, it.ledger.hours, "hour")


def transfers(it: Evidence) -> Iterator[str]:
    """What accounts paid is the price of their detected frames."""
    due: Counter[str] = Counter()
    for key, frames in it.detected.items():
        if (session := it.sessions.get(key)) is not None:
            due[session["account"]] += frames * session["unit_price"]
    paid: Counter[str] = Counter()
    for row in it.ledger.transfers:
        if row["kind"] == "charge":
            paid[row["account"]] += row["amount"]
    for account in sorted(due.keys() | paid.keys()):
        if due[account] != paid[account]:
            yield f"{account} paid {paid[account]} for frames worth {due[account]}"


def reratings(it: Evidence) -> Iterator[str]:
    """A re-rating moves what its lines say, in the ledger too."""
    lines: Counter[str] = Counter()
    corrected: Counter[str] = Counter()
    for row in it.ledger.rerating_lines:
        lines[row["rerating"]] += row["millitokens"]
        corrected[row["account"]] += row["millitokens"]
    for row in it.ledger.reratings:
        if row["millitokens"] != lines[row["rerating"]]:
            yield (
                f"re-rating {row['rerating']} is {row['millitokens']};"
                f" its lines are {lines[row['rerating']]}"
            )
    for row in it.ledger.transfers:
        if row["kind"] == "adjust":
            corrected[row["account"]] -= row["amount"] if row["credit"] == "revenue" else 0
            corrected[row["account"]] += row["amount"] if row["debit"] == "revenue" else 0
    for account, rest in sorted(corrected.items()):
        if rest:
            yield f"{account} was re-rated, and {rest} of it was not moved"


def _compare(it: Evidence, rows: Iterable[Row], unit: str) -> Iterator[str]:
    expected = _by_time(it, unit)
    found: dict[Slot, tuple[int, int]] = {}
    for row in rows:
        slot = (row["stream"], row["epoch"], row[unit], row["status"], row["account"])
        found[slot] = (row["frames"], row["millitokens"])
    for slot in sorted(expected.keys() | found.keys()):
        if expected.get(slot) != found.get(slot):
            stream, epoch, moment, status, _ = slot
            yield (
                f"{stream}/{epoch} {status} in the {unit} {moment:%F %H:%M}: frames and price are"
                f" {found.get(slot)}, not {expected.get(slot)}"
            )


def _by_time(it: Evidence, unit: str) -> dict[Slot, tuple[int, int]]:
    frames: Counter[Slot] = Counter()
    for event in it.billed.values():
        moment = minute_of(event.captured_at)
        if unit == "hour":
            moment = moment.replace(minute=0)
        frames[*event.session, moment, event.status, event.terms.account] += 1
    return {slot: (count, _cost(it, slot, count)) for slot, count in frames.items()}


def _cost(it: Evidence, slot: Slot, frames: int) -> int:
    session = it.sessions.get(slot[:2])
    return frames * session["unit_price"] if session and slot[3] == "detected" else 0


RULES = {
    "prices.formula": prices,
    "prices.tariff": tariffs,
    "charges.sessions": sessions,
    "charges.minutes": minutes,
    "charges.hours": hours,
    "charges.transfers": transfers,
    "charges.reratings": reratings,
}
