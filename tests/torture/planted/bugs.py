"""The seven bugs: each changes one thing of the product in the process that it is planted into.

`plant` is called in that process, before its main; nothing of the product knows about it.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

Plant = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """What is wrong, in processes of which roles, and which rules must see it.

    `expected` are rules of which at least one must speak. `zombie`: a detector is frozen for longer
    than its place in the group lasts, with an engine so slow that it wakes up with frames in hand.
    """

    name: str
    about: str
    roles: tuple[str, ...]
    plant: Plant
    expected: frozenset[str]
    zombie: bool = False


def double_charge() -> None:
    """The biller charges what it is told, whatever was charged before."""
    from billing import charging, writer
    from billing.coverage import Coverage

    honest, honest_sql = charging.charge_session, writer.sql
    guard = "and not s.covered && u.fresh::int8multirange"
    assert guard in honest_sql("biller.cover")

    def charge_session(
        session: charging.BilledSession, lines: Iterable[Any]
    ) -> charging.SessionCharge | None:
        forgetful = replace(session, covered=Coverage())
        charge = honest(forgetful, lines)
        for start, end in forgetful.covered.intervals():
            session.covered.add(start, end)
        if charge is None or charge.settled or not charging._is_settled(session):
            return charge
        released = charge.released + charge.held_frames * session.unit_price
        return replace(charge, settled=True, held_frames=0, released=released)

    charging.charge_session = charge_session
    writer.sql = lambda name: honest_sql(name).replace(guard, "")


def lost_event() -> None:
    """The detector leaves every seventh usage event out of its transaction."""
    from consumers.detector import lanes

    honest = lanes.messages_of
    seen = 0

    def messages_of(outcomes: Any, **around: Any) -> list[Any]:
        nonlocal seen
        kept = []
        for message in honest(outcomes, **around):
            seen += message.topic == around["topics"].usage
            if message.topic != around["topics"].usage or seen % 7:
                kept.append(message)
        return kept

    lanes.messages_of = messages_of


def stale_offset() -> None:
    """A detector that takes a partition over begins three frames too early."""
    from consumers.detector import lanes

    honest = lanes.committed_offset

    async def committed_offset(*args: Any, **named: Any) -> int | None:
        offset = await honest(*args, **named)
        return None if offset is None else max(0, offset - 3)

    lanes.committed_offset = committed_offset


def skipped_fencing() -> None:
    """Each detector process has transactional ids of its own, so none fences another."""
    from wire.transactions import Column

    honest = Column.transactional_id.fget  # type: ignore[attr-defined]
    Column.transactional_id = property(  # type: ignore[method-assign,assignment]
        lambda column: f"{honest(column)}-{os.getpid()}"
    )


def wrong_price() -> None:
    """Every unit price is a millitoken too high."""
    from billing import pricing

    honest = pricing.price_of_frame
    pricing.price_of_frame = lambda terms, tariff: honest(terms, tariff) + 1


def unreleased_hold() -> None:
    """A session that ends gives its frames up, and its account gets nothing back."""
    from billing import janitor, sessions
    from billing.ledger import Entry, Kind, post

    async def forgetful(connection: Any, at: Any, entries: Sequence[Entry]) -> Any:
        return await post(connection, at, [it for it in entries if it.kind is not Kind.RELEASE])

    sessions.post = forgetful
    janitor.post = forgetful


def forgotten_outbox_row() -> None:
    """The trigger that tells of a changed balance is gone."""
    import billing.__main__ as biller
    from billing.database import migrate as honest

    async def migrate(dsn: str) -> None:
        await honest(dsn)
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute("drop trigger if exists balance_news on balance")
        finally:
            await connection.close()

    biller.migrate = migrate


BUGS: Mapping[str, Bug] = {
    bug.name: bug
    for bug in (
        Bug(
            name="double-charge",
            about="the biller ignores coverage",
            roles=("biller",),
            plant=double_charge,
            expected=frozenset({"charges.sessions"}),
        ),
        Bug(
            name="lost-event",
            about="the detector drops usage events of a transaction",
            roles=("detector",),
            plant=lost_event,
            expected=frozenset({"frames.ended"}),
        ),
        Bug(
            name="stale-offset",
            about="the detector begins at an older offset",
            roles=("detector",),
            plant=stale_offset,
            expected=frozenset({"frames.detected_once"}),
        ),
        Bug(
            name="skipped-fencing",
            about="transactional ids are unique per process, and one of them is a zombie",
            roles=("detector",),
            plant=skipped_fencing,
            expected=frozenset({"frames.detected_once"}),
            zombie=True,
        ),
        Bug(
            name="wrong-price",
            about="the unit price is off by a millitoken",
            roles=("gateway",),
            plant=wrong_price,
            expected=frozenset({"prices.formula"}),
        ),
        Bug(
            name="unreleased-hold",
            about="what a session held does not come back when it ends",
            roles=("gateway", "biller"),
            plant=unreleased_hold,
            expected=frozenset({"balances.held"}),
        ),
        Bug(
            name="forgotten-outbox-row",
            about="balances change and nobody is told",
            roles=("biller",),
            plant=forgotten_outbox_row,
            expected=frozenset({"balances_topic.newest"}),
        ),
    )
}

NO_BUG = replace(
    BUGS["skipped-fencing"],
    name="no-bug",
    about="the product as it is, under the hardest of these worlds",
    roles=(),
    plant=lambda: None,
    expected=frozenset(),
)
