"""The committed offset of a partition, read so that it can be believed.

aiokafka 0.14 stops at OffsetFetch v3: it cannot ask for stable offsets, and it takes an answer
with a top-level error ("the coordinator is loading") for "nothing was ever committed". This
module speaks v7 with `require_stable`, looks at every error code, and promises an offset that
no transaction which was open at the time of asking can still change.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

OFFSET_FETCH = 9
UNSTABLE_OFFSET_COMMIT = 88
"""A transaction with offsets of this partition is still open; aiokafka has no class for it."""
RETRY_S = 0.05


class _ResponseV7(Response):  # type: ignore[misc]
    API_KEY = OFFSET_FETCH
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class _RequestV7(RequestStruct):  # type: ignore[misc]
    API_KEY = OFFSET_FETCH
    API_VERSION = 7
    RESPONSE_TYPE = _ResponseV7
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        ("group", CompactString("utf-8")),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(Int32)),
                ("tags", TaggedFields),
            ),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class _StableOffsetFetch(Request[_RequestV7]):  # type: ignore[misc]
    API_KEY = OFFSET_FETCH

    def __init__(self, group: str, partition: TopicPartition) -> None:
        self._group = group
        self._partition = partition

    def build(self, request_struct_class: type[_RequestV7]) -> _RequestV7:
        topics: list[tuple[str, list[int], dict[int, bytes]]] = [
            (self._partition.topic, [self._partition.partition], {})
        ]
        return request_struct_class(self._group, topics, True, {})


async def committed_offset(
    consumer: AIOKafkaConsumer, *, group: str, partition: TopicPartition, timeout_s: float
) -> int | None:
    """Return the group's committed offset, None when it has never committed one.

    `consumer` is a started member of the group. Raises TimeoutError after `timeout_s`, and
    KafkaError when the broker refuses for a reason that waiting does not cure.
    """
    return await asyncio.wait_for(_committed_offset(consumer, group, partition), timeout_s)


async def _committed_offset(
    consumer: AIOKafkaConsumer, group: str, partition: TopicPartition
) -> int | None:
    coordinator = consumer._coordinator
    while True:
        await coordinator.ensure_coordinator_known()
        try:
            response = await consumer._client.send(
                coordinator.coordinator_id,
                _StableOffsetFetch(group, partition),
                group=ConnectionGroup.COORDINATION,
            )
        except KafkaError as error:
            if not error.retriable:
                raise
        else:
            bad = first_error(response)
            if bad is None:
                return single_offset(response)
            if bad != UNSTABLE_OFFSET_COMMIT:
                _consider(bad, coordinator)
        await asyncio.sleep(RETRY_S)


def first_error(response: Any) -> int | None:
    """Return the first error code of a v7 answer, its own or a partition's; None without one."""
    codes: Iterable[int] = (
        response.error_code,
        *(fields[4] for _, partitions, *_ in response.topics for fields in partitions),
    )
    return next((code for code in codes if code), None)


def single_offset(response: Any) -> int | None:
    """Return the offset of an answer about one partition, None for "never committed"."""
    ((_, ((_, offset, *_),), *_),) = response.topics
    return None if offset < 0 else int(offset)


def _consider(code: int, coordinator: Any) -> None:
    """Raise the error of `code` unless asking again, perhaps elsewhere, can cure it."""
    error = for_code(code)
    if not error.retriable:
        raise error()
    if "Coordinator" in error.__name__:
        coordinator.coordinator_dead()
