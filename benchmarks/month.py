"""A month of usage in the ledger, made by the database itself: what reports are measured on.

Fifty streams of one account with frames in every minute, a session a day; sums by the hour, charges
and a balance that agree with them; and a second account of the same size, so that looking at one
account alone costs what it costs in life.
"""

from datetime import UTC, datetime, timedelta

import asyncpg

START = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 30
END = START + timedelta(days=DAYS)
STREAMS = 50
ACCOUNT, OTHER = "month", "other"
FRAMES = 300
"""Detected frames of a stream in a minute; five a second."""
EXPIRED_EVERY = 20
"""Every so many minutes some frames were too late."""
CHARGES_A_MINUTE = 6
TOPPED_UP = 10**15
FILL_TIMEOUT_S = 600.0

CONTRACTS = f"""
    insert into account (account, created_at)
    values ('{ACCOUNT}', '{START}'), ('{OTHER}', '{START}');
    insert into stream (stream, account)
    select account || '-' || number, account
    from account, generate_series(0, {STREAMS - 1}) as number;
    insert into session (stream, epoch, account, model, task, height, width, tier, unit_price,
        tariff, state, opened_at, expires_at, granted_frames, held_frames)
    select account || '-' || number, day, account,
        (array['yolov8n', 'yolov8s', 'yolov8m', 'yolov8l'])[1 + number % 4], 'detect', 640, 640,
        (array['standard', 'priority'])[1 + number % 2], 1000 + number, 'v1', 'settled',
        '{START}', '{START}', 0, 0
    from account, generate_series(0, {STREAMS - 1}) as number, generate_series(1, {DAYS}) as day;
"""
MINUTES = f"""
    select make_months('{START}', 2);
    insert into usage_minute (stream, epoch, minute, status, account, frames, millitokens)
    select '{ACCOUNT}-' || number, 1 + minute / 1440, moment, status, '{ACCOUNT}', frames,
        case when status = 'detected' then frames * (1000 + number) else 0 end
    from generate_series(0, {DAYS * 1440 - 1}) as minute,
        lateral (select '{START}'::timestamptz + minute * interval '1 minute' as moment) as m,
        generate_series(0, {STREAMS - 1}) as number,
        (values ('detected', {FRAMES}, 1), ('expired', 3, {EXPIRED_EVERY}))
            as s (status, frames, every)
    where minute % every = 0;
    insert into usage_hour (stream, epoch, hour, status, account, frames, millitokens)
    select stream, epoch, date_trunc('hour', minute, 'UTC'), status, account, sum(frames),
        sum(millitokens)
    from usage_minute group by 1, 2, 3, 4, 5;
    insert into usage_hour (stream, epoch, hour, status, account, frames, millitokens)
    select replace(stream, '{ACCOUNT}', '{OTHER}'), epoch, hour, status, '{OTHER}', frames,
        millitokens
    from usage_hour;
"""
MONEY = f"""
    insert into transfer (at, kind, debit, credit, amount, reference, account)
    values ('{START}', 'topup', 'issued', 'available/{ACCOUNT}', {TOPPED_UP}, 'topup/bench',
        '{ACCOUNT}');
    insert into transfer (at, kind, debit, credit, amount, reference, account)
    select minute + part * interval '10 seconds', 'charge', 'available/{ACCOUNT}', 'revenue',
        sum(millitokens) / {CHARGES_A_MINUTE}, 'usage/' || minute || '/' || part, '{ACCOUNT}'
    from usage_minute, generate_series(0, {CHARGES_A_MINUTE - 1}) as part
    group by minute, part;
    insert into balance (account, available)
    select '{ACCOUNT}', {TOPPED_UP} - sum(millitokens) from usage_minute;
"""
MINUTE_ROWS = "select count(*) from usage_minute"
HOUR_ROWS = "select count(*) from usage_hour"


def charged_millitokens() -> int:
    """Return what the month cost the account."""
    prices = sum(1_000 + number for number in range(STREAMS))
    return DAYS * 1_440 * FRAMES * prices


async def fill(dsn: str) -> tuple[int, int]:
    """Write the month; return how many rows of minutes and of hours that is."""
    owner = await asyncpg.connect(dsn, command_timeout=FILL_TIMEOUT_S)
    try:
        for statements in (CONTRACTS, MINUTES, MONEY, "vacuum analyze"):
            await owner.execute(statements)
        return await owner.fetchval(MINUTE_ROWS), await owner.fetchval(HOUR_ROWS)
    finally:
        await owner.close()
