"""The demo's tables: live while the cameras play, and the bill at the end."""

from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli import terminal
from cli.books import audit_table
from cli.demo.tally import Tally
from wire.balances import Balance

LIVE_COLUMNS = ("camera", "fps", "detected", "objects now", "p50 ms", "p95 ms", "tokens")
BILL_COLUMNS = (
    "stream",
    "captured",
    "published",
    "still",
    "detected",
    "cached",
    "failed",
    "expired",
    "rejected",
    "objects",
    "p50 ms",
    "p95 ms",
    "tokens",
)


def live(
    tally: Tally, prices: dict[str, int], balance: Balance | None, *, now: datetime, left_s: float
) -> RenderableType:
    """Return the live table; tokens are what the frames seen so far cost."""
    view = terminal.table("framemeter demo", LIVE_COLUMNS, numbers=LIVE_COLUMNS[1:])
    for name, stream in tally.streams.items():
        p50, p95 = stream.latency_ms(0.50, 0.95)
        view.add_row(
            name,
            f"{stream.fps(now):.1f}",
            str(stream.detected),
            str(stream.objects_now),
            _milliseconds(p50),
            _milliseconds(p95),
            terminal.tokens(stream.detected * prices.get(name, 0)),
        )
    return Group(view, _balance_line(balance, left_s))


def _balance_line(balance: Balance | None, left_s: float) -> Text:
    line = Text(f"{max(0, round(left_s))} s left", style="dim")
    if balance is not None:
        line.append(
            f"   available {terminal.tokens(balance.available)}"
            f"   held {terminal.tokens(balance.held)} tokens"
        )
    return line


def bill(result: dict[str, Any]) -> Table:
    """Return the bill per stream from the result's JSON form."""
    view = terminal.table("Bill per stream", BILL_COLUMNS, numbers=BILL_COLUMNS[1:])
    for stream in result["streams"]:
        counts = (str(stream[column]) for column in BILL_COLUMNS[1:10])
        latency = stream["latency_ms"]
        view.add_row(
            stream["stream"],
            *counts,
            _milliseconds(latency["p50"]),
            _milliseconds(latency["p95"]),
            stream["tokens"],
        )
    return view


def account(result: dict[str, Any]) -> Table:
    """Return the account's amounts from the result's JSON form."""
    amounts = result["account"]
    columns = ("topped_up", "charged", "available", "held", "receivable")
    view = terminal.table(f"Account {amounts['account']} (tokens)", columns, numbers=columns)
    view.add_row(*(amounts[column] for column in columns))
    return view


def audit(result: dict[str, Any]) -> Table:
    """Return the audit's checks from the result's JSON form."""
    return audit_table(
        (check["name"], check["ok"], check["detail"]) for check in result["audit"]["checks"]
    )


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
