"""What is shown of an alert: how far it is, and why not further."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rich.console import Console

from billing.alerts import AlertStatus, State, Told
from cli.alerts import told_table
from wire.balances import BalanceAlert

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOLD = Told(
    alert=BalanceAlert(account="park", threshold=60_000, version=4, available=40_000, held=9_500),
    at=AT,
    published_at=None,
    state=State.PENDING,
    attempts=2,
    next_attempt_at=AT + timedelta(minutes=2),
    last_error="the receiver answered 503",
)


def line_of(told: Told) -> str:
    status = AlertStatus(account="park", thresholds=(), webhook=None, told=(told,))
    text = io.StringIO()
    Console(file=text, width=160).print(told_table(status))
    return next(line for line in text.getvalue().splitlines() if "12:00:00" in line)


def test_an_alert_that_waits_says_for_when_and_why() -> None:
    line = line_of(TOLD)
    for text in ("60.000", "49.500", "no", "due 2026-11-24 12:02:00", "2", "answered 503"):
        assert text in line


def test_an_alert_that_is_over_says_how_it_ended() -> None:
    over = replace(TOLD, next_attempt_at=None, published_at=AT)
    assert "gave up" in line_of(replace(over, state=State.GAVE_UP))
    assert "delivered" in line_of(replace(over, state=State.DELIVERED, last_error=None))
