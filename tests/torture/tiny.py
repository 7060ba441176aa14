"""The smallest world that has everything: written by hand, record by record and row by row.

A camera with a settled session (three frames detected, one expired, one of them taken again on
purpose) and an empty one, and one HTTP image. All of it adds up.
"""

from datetime import UTC, datetime, timedelta

import asyncpg
import confluent_kafka
from confluent_kafka import Producer, TopicPartition
from redis import Redis

from billing import chain
from billing.database import migrate
from billing.ledger import Transfer
from tests.torture.observations import HttpAnswer, Model, Observations, Replayed, Reproduced, TopUp
from wire import balances, detections, frames, usage
from wire.balances import Balance
from wire.detections import Detection
from wire.frames import Frame, FrameIdentity, Tier
from wire.kafka import Kafka
from wire.topics import Topics
from wire.usage import Status, UsageEvent

ACCOUNT, MODEL, SIDE, PRICE = "park", "plain", 640, 1_000
CAMERA, VIRTUAL = "gate", "api.park.gw.0"
OPENED_AT = datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)
CAPTURED_AT = OPENED_AT + timedelta(seconds=10)
PICTURE = b"\xff\xd8 a picture"

TRANSFERS = (
    ("topup", "issued", "available", 100_000, "topup/opening"),
    ("grant", "available", "held", 10_000, "grant/gate/1/10"),
    ("grant", "available", "held", 5_000, "grant/api.park.gw.0/1/5"),
    ("charge", "held", "revenue", 4_000, "usage/0/0-3"),
    ("release", "held", "available", 11_000, "close"),
)
BALANCE = Balance(account=ACCOUNT, version=6, available=96_000, held=0, receivable=0)


async def write(*, kafka: str, postgres: str, redis: str, prefix: str) -> Observations:
    """Write the world to empty stores; return what a run would say of it."""
    topics = Topics(prefix=prefix, partitions=1)
    await Kafka(bootstrap=kafka).create_topics(topics.table())
    _write_topics(kafka, topics)
    await _write_ledger(postgres, topics)
    with Redis.from_url(redis) as client:
        client.hset(
            f"framemeter:balance:{ACCOUNT}",
            mapping={
                name: getattr(BALANCE, name)
                for name in ("version", "available", "held", "receivable")
            },
        )
    return Observations(
        seed=0,
        seconds=0,
        kafka=kafka,
        postgres=postgres,
        redis=redis,
        prefix=prefix,
        partitions=1,
        accounts=(ACCOUNT,),
        models=(Model(model=MODEL, size_class="s"),),
        top_ups=(TopUp(account=ACCOUNT, millitokens=100_000, reference="opening", times=2),),
        answers=(answer("one", 1, 503), answer("one", 2, 200)),
        faults=(),
        replayed=(Replayed(topic=topics.frames(Tier.STANDARD), partition=0, first=2, end=3),),
        reproduced=(Reproduced(partition=0, offset=1, copies=1),),
        biller_resets=0,
        drain_s=0,
    )


def answer(key: str, attempt: int, status: int) -> HttpAnswer:
    """Return an answer to the HTTP image."""
    good = status == 200
    return HttpAnswer(
        account=ACCOUNT,
        key=key,
        attempt=attempt,
        model=MODEL,
        height=SIDE,
        width=SIDE,
        tier="standard",
        status=status,
        millitokens=PRICE if good else None,
        remaining_millitokens=96_000 if good else None,
        cached=False if good else None,
        at_s=1,
    )


def _write_topics(kafka: str, topics: Topics) -> None:
    producer = Producer({"bootstrap.servers": kafka, "acks": "all"})

    def put(topic: str, value: bytes, key: str, headers: frames.Headers | None = None) -> None:
        producer.produce(topic, value, key.encode(), partition=0, headers=headers or [])

    for stream, seq in ((CAMERA, 0), (CAMERA, 1), (CAMERA, 2), (CAMERA, 3), (VIRTUAL, 0)):
        frame = _frame(stream, seq)
        headers = frames.encode_headers(frame)
        put(topics.frames(Tier.STANDARD), frame.picture, stream, headers)
    expired = {3}
    for stream, seq in ((CAMERA, 0), (CAMERA, 1), (CAMERA, 2), (CAMERA, 3), (VIRTUAL, 0)):
        put(topics.detections, detection(stream, seq, expired=seq in expired), stream)
    put(topics.detections, detection(CAMERA, 2, expired=True), CAMERA)  # taken again, too late
    put(topics.replies, detection(VIRTUAL, 0), VIRTUAL)
    events = (
        _usage(CAMERA, 0, 2, Status.DETECTED),
        _usage(CAMERA, 3, 3, Status.EXPIRED),
        _usage(VIRTUAL, 0, 0, Status.DETECTED),
        _usage(CAMERA, 2, 2, Status.EXPIRED),
        _usage(CAMERA, 3, 3, Status.EXPIRED),  # offset 1 again, on purpose
    )
    for event in events:
        put(topics.usage, event, CAMERA)
    put(topics.balances, balances.encode(BALANCE, at=CAPTURED_AT), ACCOUNT)
    assert producer.flush(10) == 0
    _commit(kafka, f"{topics.prefix}detector", topics.frames(Tier.STANDARD), 5)
    _commit(kafka, f"{topics.prefix}biller", topics.usage, len(events))


def _commit(kafka: str, group: str, topic: str, offset: int) -> None:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    consumer.close()


def _identity(stream: str, seq: int) -> FrameIdentity:
    return FrameIdentity(
        account=ACCOUNT,
        stream=stream,
        epoch=1,
        seq=seq,
        model=MODEL,
        height=SIDE,
        width=SIDE,
        captured_at=CAPTURED_AT,
    )


def _frame(stream: str, seq: int) -> Frame:
    identity = _identity(stream, seq)
    return Frame(
        **{name: getattr(identity, name) for name in FrameIdentity.__struct_fields__},
        tier=Tier.STANDARD,
        max_age_ms=4_000,
        source_height=SIDE,
        source_width=SIDE,
        reply="gw" if stream == VIRTUAL else None,
        picture=PICTURE,
    )


def detection(stream: str, seq: int, *, expired: bool = False) -> bytes:
    """Return the bytes of a detection without objects."""
    return detections.encode(
        Detection(
            account=ACCOUNT,
            stream=stream,
            epoch=1,
            seq=seq,
            captured_at=CAPTURED_AT,
            detected_at=CAPTURED_AT,
            status=Status.EXPIRED if expired else Status.DETECTED,
            model=MODEL,
            model_version="v1",
            task="detect",
            height=SIDE,
            width=SIDE,
            source_height=SIDE,
            source_width=SIDE,
            objects=(),
        )
    )


def _usage(stream: str, first: int, last: int, status: Status) -> bytes:
    event = UsageEvent(
        account=ACCOUNT,
        stream=stream,
        epoch=1,
        first=first,
        last=last,
        status=status,
        model=MODEL,
        model_version="v1",
        height=SIDE,
        width=SIDE,
        captured_at=CAPTURED_AT,
    )
    return usage.encode(event, at=CAPTURED_AT)


async def _write_ledger(postgres: str, topics: Topics) -> None:
    await migrate(postgres)
    connection = await asyncpg.connect(postgres)
    try:
        await connection.execute(
            "insert into account (account, created_at) values ($1, now())", ACCOUNT
        )
        for stream in (CAMERA, VIRTUAL):
            await connection.execute("insert into stream values ($1, $2)", stream, ACCOUNT)
        await _write_sessions(connection)
        await _write_usage(connection)
        await _write_transfers(connection)
        await connection.execute(
            "insert into balance values ($1, $2, 0, 0, $3)",
            ACCOUNT,
            BALANCE.available,
            BALANCE.version,
        )
        await connection.execute("delete from outbox")
        await connection.execute(
            "insert into consumer_position (topic, partition, next_offset) values ($1, 0, 5)",
            topics.usage,
        )
    finally:
        await connection.close()


async def _write_sessions(connection: asyncpg.Connection) -> None:
    for stream, epoch, granted, frames_seen, charged in (
        (CAMERA, 1, 10, 4, 3),
        (CAMERA, 2, 0, 0, 0),
        (VIRTUAL, 1, 5, 1, 1),
    ):
        await connection.execute(
            "insert into session (stream, epoch, account, model, task, height, width, tier,"
            " unit_price, tariff, state, opened_at, expires_at, closed_at, close_reason, last_seq,"
            " granted_frames, held_frames, covered, charged_frames) values"
            " ($1, $2, $3, $4, 'detect', $5, $5, 'standard', $6, 'v1', 'settled', $7, $7, $7,"
            " 'done', $8::int8, $9, 0, int8multirange(int8range(0, $8::int8 + 1)), $10)",
            stream,
            epoch,
            ACCOUNT,
            MODEL,
            SIDE,
            PRICE,
            OPENED_AT,
            frames_seen - 1,
            granted,
            charged,
        )


async def _write_usage(connection: asyncpg.Connection) -> None:
    minute = CAPTURED_AT.replace(second=0)
    for table, moment in (("usage_minute", minute), ("usage_hour", minute.replace(minute=0))):
        for stream, status, frames_seen, price in (
            (CAMERA, "detected", 3, 3 * PRICE),
            (CAMERA, "expired", 1, 0),
            (VIRTUAL, "detected", 1, PRICE),
        ):
            await connection.execute(
                f"insert into {table} values ($1, 1, $2, $3, $4, $5, $6)",
                stream,
                moment,
                status,
                ACCOUNT,
                frames_seen,
                price,
            )


async def _write_transfers(connection: asyncpg.Connection) -> None:
    await connection.execute("insert into topup values ($1, 'topup/opening', 100000)", ACCOUNT)
    before = chain.GENESIS
    for number, (kind, debit, credit, amount, reference) in enumerate(TRANSFERS, 1):
        sides = [it if it in ("issued", "revenue") else f"{it}/{ACCOUNT}" for it in (debit, credit)]
        row = await connection.fetchrow(
            "insert into transfer (at, kind, debit, credit, amount, reference, account)"
            " values ($1, $2, $3, $4, $5, $6, $7)"
            " returning id, at, kind, debit, credit, amount, reference, account, xid",
            OPENED_AT,
            kind,
            *sides,
            amount,
            reference,
            ACCOUNT,
        )
        fields = dict(row)
        xid = fields.pop("xid")
        before = chain.link(before, Transfer(**fields))
        await connection.execute(
            "insert into transfer_seal (position, transfer, at, xid, hash)"
            " values ($1, $2, $3, $4, $5)",
            number,
            fields["id"],
            fields["at"],
            xid,
            before,
        )
