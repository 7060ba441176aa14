"""A lane's last transaction as its coordinator decided it, and the commit told once more.

A transaction is decided at its coordinator and told to its partitions afterwards, by markers. A
broker without replicas that is killed in between forgets to tell (Kafka 4.3.1: when it comes back,
its old registration is fenced first, so that for a moment no partition has a leader, and markers
for a partition without one are skipped as if it were deleted). What was told may have reached some
of the partitions, and the rest hangs until the next marker of the same producer. So that next
marker must say what was decided: after a commit, another commit, of a transaction that adds no
record; after anything else, an abort.

Speaks DescribeTransactions v0 (KIP-664), which aiokafka 0.14 does not know.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
)
from aiokafka.protocol.types import (
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

DESCRIBE_TRANSACTIONS = 65
TRANSACTIONAL_ID_NOT_FOUND = 105
"""No producer of this id has ever started; aiokafka has no class for it."""
CONCURRENT_TRANSACTIONS = 51
NOTHING = "Empty"
COMMITTED = "CompleteCommit"
UNDER_WAY = ("PrepareCommit", "PrepareAbort", "PrepareEpochFence")
RETRY_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The state of a transactional id at its coordinator; the newest producer's id and epoch."""

    producer_id: int
    epoch: int
    state: str

    def precedes(self, producer_id: int, epoch: int) -> bool:
        """Say whether that producer is the next one: none was started in between."""
        return producer_id == self.producer_id and epoch == self.epoch + 1


def commit_due(found: Decided | None, before: Decided | None) -> Decided | None:
    """Return the commit that may still hang in some partitions, None when nothing or an abort may.

    `before` is what this function returned to an attempt that then failed: the producer which that
    attempt started has hidden the decision, and has not begun a transaction.
    """
    if found is None:
        return None
    if found.state == COMMITTED:
        return found
    hidden = before is not None and before.precedes(found.producer_id, found.epoch)
    return found if found.state == NOTHING and hidden else None


class _DescribedV0(Response):  # type: ignore[misc]
    API_KEY = DESCRIBE_TRANSACTIONS
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "transaction_states",
            CompactArray(
                ("error_code", Int16),
                ("transactional_id", CompactString("utf-8")),
                ("transaction_state", CompactString("utf-8")),
                ("transaction_timeout_ms", Int32),
                ("transaction_start_time_ms", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                (
                    "topics",
                    CompactArray(
                        ("topic", CompactString("utf-8")),
                        ("partitions", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _DescribeV0(RequestStruct):  # type: ignore[misc]
    API_KEY = DESCRIBE_TRANSACTIONS
    API_VERSION = 0
    RESPONSE_TYPE = _DescribedV0
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        ("transactional_ids", CompactArray(CompactString("utf-8"))),
        ("tags", TaggedFields),
    )


class _Describe(Request[_DescribeV0]):  # type: ignore[misc]
    API_KEY = DESCRIBE_TRANSACTIONS

    def __init__(self, transactional_id: str) -> None:
        self._transactional_id = transactional_id

    def build(self, request_struct_class: type[_DescribeV0]) -> _DescribeV0:
        return request_struct_class([self._transactional_id], {})


async def last_decided(client: AIOKafkaClient, transactional_id: str) -> Decided | None:
    """Return what the coordinator knows of the id, None when it knows nothing.

    Waits while a decision is being told. Raises KafkaError when waiting does not help.
    """
    while True:
        ((code, _, state, _, _, producer_id, epoch, *_),) = (
            await _ask(client, transactional_id, _Describe(transactional_id))
        ).transaction_states
        if code == TRANSACTIONAL_ID_NOT_FOUND:
            return None
        if not code and state not in UNDER_WAY:
            return Decided(producer_id=producer_id, epoch=epoch, state=state)
        await _consider(code)


async def commit_nothing(
    client: AIOKafkaClient,
    transactional_id: str,
    producer: tuple[int, int],
    *,
    outputs: Iterable[tuple[str, int]],
    group: str,
) -> None:
    """Commit a transaction of `producer` (id, epoch) that adds nothing to these partitions.

    What older epochs of the producer left undecided there, and in the group's offsets, becomes
    visible. Raises KafkaError.
    """
    topics: dict[str, list[int]] = {}
    for topic, partition in outputs:
        topics.setdefault(topic, []).append(partition)
    await _insist(
        client,
        transactional_id,
        AddPartitionsToTxnRequest(transactional_id, *producer, list(topics.items())),
    )
    await _insist(
        client, transactional_id, AddOffsetsToTxnRequest(transactional_id, *producer, group)
    )
    await _insist(client, transactional_id, EndTxnRequest(transactional_id, *producer, True))


async def _insist(client: AIOKafkaClient, transactional_id: str, request: Request[Any]) -> None:
    """Ask until it is done."""
    while code := _first_error(await _ask(client, transactional_id, request)):
        await _consider(code)


def _first_error(answer: Any) -> int:
    """Return the first error code of an answer about a transaction, 0 without one."""
    if hasattr(answer, "error_code"):
        return int(answer.error_code)
    return next((code for _, parts in answer.errors for _, code in parts if code), 0)


async def _ask(client: AIOKafkaClient, transactional_id: str, request: Request[Any]) -> Any:
    """Ask the coordinator, as soon as it is known and answers."""
    while True:
        try:
            node = await client.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
            return await client.send(node, request, group=ConnectionGroup.COORDINATION)
        except KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(RETRY_S)


async def _consider(code: int) -> None:
    """Wait a moment when that can cure the error; raise it otherwise."""
    error = for_code(code)
    if code and code != CONCURRENT_TRANSACTIONS and not error.retriable:
        raise error()
    await asyncio.sleep(RETRY_S)
