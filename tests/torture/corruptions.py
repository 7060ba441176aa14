"""One broken thing for each rule of the checker, as a change of what was read of a good world.

Each breaks as little as can be: where one thing cannot be broken without another, the books are
bent so that only the rule in question can see it, or the rules that must speak too are named.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec

from tests.torture import tiny
from tests.torture.checker.evidence import Evidence
from tests.torture.checker.kafka import Record
from tests.torture.checker.messages import Frame
from tests.torture.observations import TopUp

Break = Callable[[Evidence], Evidence]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """What is broken, and which other rules cannot but see it too."""

    breaks: Break
    also: frozenset[str] = frozenset()


def _row(it: Evidence, table: str, index: int, **changes: Any) -> Evidence:
    rows = list(getattr(it.ledger, table))
    rows[index] = {**rows[index], **changes}
    return _table(it, table, rows)


def _table(it: Evidence, table: str, rows: list[Mapping[str, Any]]) -> Evidence:
    return replace(it, ledger=replace(it.ledger, **{table: tuple(rows)}))


def _moved(it: Evidence, *moves: tuple[str, str, str, int, str]) -> Evidence:
    """Add transfers of the account at the end."""
    rows = list(it.ledger.transfers)
    for kind, debit, credit, amount, reference in moves:
        last = rows[-1]
        sides = (
            name if name in ("issued", "revenue") else f"{name}/{tiny.ACCOUNT}"
            for name in (debit, credit)
        )
        rows.append(
            {
                **last,
                "id": last["id"] + 1,
                "xid_number": last["xid_number"] + 1,
                "kind": kind,
                **dict(zip(("debit", "credit"), sides, strict=True)),
                "amount": amount,
                "reference": reference,
            }
        )
    return _table(it, "transfers", rows)


def _balance(it: Evidence, **changes: int) -> Evidence:
    """Change the balance, and what is told of it."""
    row = {**it.ledger.balances[0], **changes}
    told = {name: str(row[name]) for name in ("version", "available", "held", "receivable")}
    return replace(
        _table(it, "balances", [row]),
        mirror={tiny.ACCOUNT: told},
        news=tuple(replace(news, **changes) for news in it.news),
    )


def _frame(it: Evidence, index: int, **changes: Any) -> Evidence:
    frames = list(it.frames)
    frames[index] = replace(frames[index], **changes)
    return replace(it, frames=tuple(frames))


def _lose_usage(it: Evidence) -> Evidence:
    """The expired frame's event was never written: the ledger never heard of it."""
    rows = [row for row in it.ledger.minutes if row["status"] != "expired"]
    hours = [row for row in it.ledger.hours if row["status"] != "expired"]
    it = _table(_table(it, "minutes", rows), "hours", hours)
    it = _row(it, "sessions", _CAMERA, parts=[[0, 3]], state="expired")
    is_lost = [event.session[0] == tiny.CAMERA and event.first == 3 for event in it.usage]
    left = [event for event, lost in zip(it.usage, is_lost, strict=True) if not lost]
    return replace(it, usage=tuple(left))


def _swap(it: Evidence, table: str, one: int, other: int) -> Evidence:
    rows = list(getattr(it, table))
    rows[one], rows[other] = rows[other], rows[one]
    rows[one], rows[other] = (
        replace(rows[one], offset=rows[other].offset),
        replace(rows[other], offset=rows[one].offset),
    )
    return replace(it, **{table: tuple(rows)})


def _swap_usage(it: Evidence) -> Evidence:
    """The event that was written again moves from offset 1 to 0."""
    (again,) = it.seen.reproduced
    moved = msgspec.structs.replace(again, offset=0)
    seen = msgspec.structs.replace(it.seen, reproduced=(moved,))
    return replace(_swap(it, "usage", 0, 1), seen=seen)


def _answers(it: Evidence, *answers: Any) -> Evidence:
    return replace(it, seen=msgspec.structs.replace(it.seen, answers=tuple(answers)))


def _position(it: Evidence, role: str, by: int) -> Evidence:
    moved = {place: offset + by for place, offset in it.committed[role].items()}
    return replace(it, committed={**it.committed, role: moved})


def _open_transaction(it: Evidence) -> Evidence:
    place = (it.topic("usage"), 0)
    bounds = replace(it.bounds[place], high=it.bounds[place].high + 1)
    return replace(it, bounds={**it.bounds, place: bounds})


def _stray_detection(it: Evidence) -> Evidence:
    stray = replace(it.detections[-1], id=(tiny.CAMERA, 1, 9), offset=99)
    return replace(it, detections=(*it.detections, stray))


def _second_event(it: Evidence) -> Evidence:
    again = replace(it.usage[0], first=0, last=0, offset=99, digest="other")
    return replace(it, usage=(*it.usage, again))


def _bad_record(it: Evidence) -> Evidence:
    record = Record(
        topic=it.topic("frames.standard"), partition=0, offset=9, key=None, value=None, headers=()
    )
    return replace(it, unreadable=((record, "it is no frame"),))


def _copy(it: Evidence) -> Evidence:
    copy: Frame = replace(it.frames[0], offset=99, digest="other")
    return replace(it, frames=(*it.frames, copy))


def _status(it: Evidence) -> Evidence:
    detections = (replace(it.detections[0], status="failed"), *it.detections[1:])
    return replace(it, detections=detections)


def _newer_tariff(it: Evidence) -> Evidence:
    first = it.ledger.tariffs[0]
    newer = {**first, "version": "v2", "starts_at": first["starts_at"] + timedelta(days=1)}
    return _table(it, "tariffs", [*it.ledger.tariffs, newer])


def _empty_rerating(it: Evidence) -> Evidence:
    return _table(it, "reratings", [{"rerating": "r", "millitokens": 5}])


def _refused(it: Evidence) -> Evidence:
    row = {"topic": it.topic("usage"), "partition": 0, "offset": 99, "reason": "no session"}
    return _table(it, "unbillable", [row])


def _other_top_up(it: Evidence) -> Evidence:
    more = TopUp(account=tiny.ACCOUNT, millitokens=7, reference="second", times=1)
    top_ups = (*it.seen.top_ups, more)
    return replace(it, seen=msgspec.structs.replace(it.seen, top_ups=top_ups))


_EMPTY, _CAMERA = 2, 1
"""Places of the camera's sessions in the order of (stream, epoch): api... comes first."""

BROKEN: dict[str, Corruption] = {
    "topics.whole": Corruption(breaks=_open_transaction),
    "records.readable": Corruption(breaks=_bad_record),
    "frames.one_content": Corruption(breaks=_copy),
    "frames.ended": Corruption(breaks=_lose_usage),
    "frames.detected_once": Corruption(breaks=lambda it: replace(it, detections=it.detections[1:])),
    "usage.once": Corruption(breaks=_second_event),
    "frames.known": Corruption(breaks=_stray_detection),
    "usage.agrees": Corruption(breaks=_status),
    "replies.complete": Corruption(breaks=lambda it: replace(it, replies=())),
    "order.frames": Corruption(
        breaks=lambda it: _swap(it, "frames", 0, 1),
        also=frozenset({"order.detections", "order.usage"}),
    ),
    "order.detections": Corruption(breaks=lambda it: _swap(it, "detections", 0, 1)),
    "order.usage": Corruption(breaks=_swap_usage),
    "sessions.opened": Corruption(breaks=lambda it: _frame(it, 0, tier="priority")),
    "sessions.funded": Corruption(
        breaks=lambda it: _row(it, "sessions", _CAMERA, granted_frames=3)
    ),
    "sessions.bounded": Corruption(breaks=lambda it: _row(it, "sessions", _CAMERA, last_seq=2)),
    "sessions.numbered": Corruption(
        breaks=lambda it: _row(it, "sessions", _CAMERA, last_seq=5, state="expired")
    ),
    "sessions.cover_usage": Corruption(
        breaks=lambda it: _row(it, "sessions", _CAMERA, parts=[[0, 5]])
    ),
    "sessions.over": Corruption(breaks=lambda it: _row(it, "sessions", _CAMERA, state="closing")),
    "sessions.settled": Corruption(breaks=lambda it: _row(it, "sessions", _CAMERA, last_seq=None)),
    "sessions.hold_nothing": Corruption(
        breaks=lambda it: _row(it, "sessions", _EMPTY, held_frames=1),
        also=frozenset({"balances.held"}),
    ),
    "prices.formula": Corruption(breaks=lambda it: _row(it, "sessions", _EMPTY, unit_price=1_001)),
    "prices.tariff": Corruption(breaks=_newer_tariff),
    "charges.sessions": Corruption(
        breaks=lambda it: _row(it, "sessions", _CAMERA, charged_frames=4)
    ),
    "charges.minutes": Corruption(breaks=lambda it: _row(it, "minutes", 0, frames=99)),
    "charges.hours": Corruption(breaks=lambda it: _row(it, "hours", 0, frames=99)),
    "charges.transfers": Corruption(
        breaks=lambda it: _moved(it, ("charge", "receivable", "revenue", 1, "usage/again")),
        also=frozenset({"balances.sums"}),
    ),
    "charges.reratings": Corruption(breaks=_empty_rerating),
    "transfers.legs": Corruption(
        breaks=lambda it: _moved(
            it, ("release", "available", "held", 5, "a"), ("release", "held", "available", 5, "b")
        )
    ),
    "transfers.once": Corruption(
        breaks=lambda it: _moved(
            it,
            ("grant", "available", "held", 5, "a"),
            ("grant", "available", "held", 5, "a"),
            ("release", "held", "available", 10, "b"),
        )
    ),
    "top_ups.once": Corruption(breaks=_other_top_up),
    "balances.never_below_zero": Corruption(
        breaks=lambda it: _moved(
            it, ("release", "held", "available", 5, "a"), ("grant", "available", "held", 5, "b")
        )
    ),
    "balances.sums": Corruption(breaks=lambda it: _balance(it, available=96_005, receivable=5)),
    "balances.held": Corruption(
        breaks=lambda it: _moved(
            _balance(it, available=95_995, held=5), ("grant", "available", "held", 5, "a")
        )
    ),
    "money.conserved": Corruption(
        breaks=lambda it: _row(it, "top_ups", 0, amount=100_001),
        also=frozenset({"top_ups.once"}),
    ),
    "usage.billable": Corruption(breaks=_refused),
    "valkey.equals": Corruption(breaks=lambda it: replace(it, mirror={tiny.ACCOUNT: {}})),
    "balances_topic.newest": Corruption(breaks=lambda it: replace(it, news=())),
    "outbox.empty": Corruption(
        breaks=lambda it: _table(it, "outbox", [{"account": tiny.ACCOUNT, "version": 6}])
    ),
    "alerts.told": Corruption(
        breaks=lambda it: _table(
            it, "alerts", [{"account": tiny.ACCOUNT, "threshold": 9, "published_at": None}]
        )
    ),
    "positions.biller": Corruption(
        breaks=lambda it: _position(_row(it, "positions", 0, next_offset=4), "biller", -1)
    ),
    "positions.group": Corruption(
        breaks=lambda it: _row(it, "positions", 0, next_offset=4),
        also=frozenset({"positions.biller"}),
    ),
    "positions.detector": Corruption(breaks=lambda it: _position(it, "detector", -1)),
    "http.announced": Corruption(
        breaks=lambda it: _answers(
            it, msgspec.structs.replace(tiny.answer("one", 1, 200), millitokens=999)
        )
    ),
    "http.charged": Corruption(
        breaks=lambda it: _answers(it, tiny.answer("one", 1, 200), tiny.answer("two", 1, 200))
    ),
    "http.asked_for": Corruption(breaks=_answers),
    "http.remaining": Corruption(
        breaks=lambda it: _answers(
            it, msgspec.structs.replace(tiny.answer("one", 1, 200), remaining_millitokens=-1)
        )
    ),
    "seals.chain": Corruption(breaks=lambda it: _row(it, "seals", -1, hash=bytes(32))),
    "seals.order": Corruption(breaks=lambda it: _row(it, "transfers", 0, xid_number=1 << 60)),
}
