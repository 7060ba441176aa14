"""A small statement with one of everything, to be changed where a test needs it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.statement.figures import (
    ChainHead,
    ContractUse,
    Entry,
    Movement,
    Statement,
    StepUse,
)
from billing.usage_table import Period

START = datetime(2026, 11, 24, tzinfo=UTC)
HOUR = timedelta(hours=1)
GATE = ContractUse(
    stream="gate",
    model="yolov8s",
    tier="standard",
    height=640,
    width=640,
    unit_price=1_000,
    tariff="v1",
    frames={"detected": 2_000, "expired": 3},
    millitokens=2_000_000,
    adjusted=-50_000,
)
LAKE = replace(
    GATE, stream="lake", unit_price=700, frames={"detected": 10}, millitokens=7_000, adjusted=0
)


def used(stream: str, hour: int, millitokens: int, adjusted: int = 0) -> StepUse:
    """Return what a stream used in one hour."""
    return StepUse(
        stream=stream,
        start=START + hour * HOUR,
        frames=millitokens // 1_000,
        millitokens=millitokens,
        adjusted=adjusted,
    )


def made(**changes: Any) -> Statement:
    """Return the statement of a day."""
    whole = Statement(
        account="acme",
        period=Period(start=START, end=START + 24 * HOUR),
        made_at=START + 30 * HOUR,
        movement=Movement(
            opening=1_234_567, topups=5_000_000, charges=2_007_000, adjustments=-50_001
        ),
        contracts=(GATE, LAKE),
        step="hour",
        steps=(
            used("gate", 3, 1_500_000),
            used("gate", 4, 500_000, -50_000),
            used("lake", 4, 7_000),
        ),
        entries=(
            Entry(at=START + HOUR, kind="topup", reference="invoice 7", millitokens=5_000_000),
            Entry(at=START + 2 * HOUR, kind="adjust", reference="october", millitokens=-50_001),
        ),
        entries_in_all=2,
        chain_head=ChainHead(position=99, at=START, hash=bytes(range(32))),
    )
    return replace(whole, **changes)
