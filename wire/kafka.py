"""Kafka clients with every option explicit, and topic creation.

This module, `wire.transactions`, `wire.decided` and `wire.stable_offsets` are the only ones that
import aiokafka: its version and its pitfalls live here. All readers are read_committed.
"""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from wire.errors import Misconfigured, Retryable
from wire.settings import WireSettings
from wire.topics import DEADLETTER_BYTES_MAX, MESSAGE_BYTES_MAX, Topic

__all__ = [
    "AIOKafkaConsumer",
    "AIOKafkaProducer",
    "ConsumerRebalanceListener",
    "ConsumerRecord",
    "Kafka",
    "KafkaError",
    "TopicPartition",
]

SESSION_TIMEOUT_MS = 6_000
HEARTBEAT_INTERVAL_MS = 1_500
REBALANCE_TIMEOUT_MS = 8_000
REQUEST_TIMEOUT_MS = 12_000
"""Longer than a rebalance, or joining a group times out while the others still finish."""
POLL_INTERVAL_MS_MAX = 120_000
FETCH_WAIT_MS = 100
FETCH_BYTES_MAX = 32 * 1024 * 1024
TRANSACTION_TIMEOUT_MS = 10_000
TRANSACTION_RETRY_MS = 5
"""How soon to ask again while the previous transaction's markers are being written."""
TOPICS_SEEN_ATTEMPTS_MAX = 50
TOPICS_SEEN_WAIT_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kafka:
    """How to reach one cluster; makes clients, starts none."""

    bootstrap: str
    security: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, settings: WireSettings) -> "Kafka":
        """Return the cluster that the settings name."""
        return cls(bootstrap=settings.kafka, security=_security(settings))

    def producer(self, *, client_id: str, linger_ms: int = 0) -> AIOKafkaProducer:
        """Return an idempotent producer (acks=all) for frames, replies' readers and news."""
        return AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            client_id=client_id,
            acks="all",
            enable_idempotence=True,
            compression_type=None,
            linger_ms=linger_ms,
            max_batch_size=1024 * 1024,
            max_request_size=MESSAGE_BYTES_MAX,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            retry_backoff_ms=100,
            **self.security,
        )

    def transactional_producer(self, *, transactional_id: str) -> AIOKafkaProducer:
        """Return the producer of one lane; starting it fences every older one of the same id."""
        return AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            client_id=transactional_id,
            transactional_id=transactional_id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            acks="all",
            compression_type=None,
            linger_ms=0,
            max_batch_size=1024 * 1024,
            max_request_size=DEADLETTER_BYTES_MAX,
            request_timeout_ms=5_000,
            retry_backoff_ms=TRANSACTION_RETRY_MS,
            **self.security,
        )

    def group_consumer(
        self, *, group: str, client_id: str, share_evenly: bool = False
    ) -> AIOKafkaConsumer:
        """Return a member of a consumer group that commits only when told to.

        Subscribe it afterwards. `share_evenly` spreads single partitions round-robin; otherwise
        partition p of all its topics goes to the same member.
        """
        return AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            client_id=client_id,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(
                RoundRobinPartitionAssignor if share_evenly else RangePartitionAssignor,
            ),
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_INTERVAL_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            max_poll_interval_ms=POLL_INTERVAL_MS_MAX,
            **self._reading(),
        )

    def reader(self, *, client_id: str, from_start: bool = False) -> AIOKafkaConsumer:
        """Return a consumer without a group: assign it partitions afterwards."""
        return AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            client_id=client_id,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest" if from_start else "latest",
            **self._reading(),
        )

    def _reading(self) -> dict[str, Any]:
        return {
            "isolation_level": "read_committed",
            "fetch_max_wait_ms": FETCH_WAIT_MS,
            "fetch_max_bytes": FETCH_BYTES_MAX,
            "max_partition_fetch_bytes": MESSAGE_BYTES_MAX,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "retry_backoff_ms": 100,
            **self.security,
        }

    async def partitions_of(self, reader: AIOKafkaConsumer, topic: str) -> list[int]:
        """Return the partition numbers of a topic; raise `Misconfigured` when it is not there."""
        await reader._client.add_topic(topic)  # aiokafka has no public call that asks the broker
        numbers = reader.partitions_for_topic(topic)
        if not numbers:
            raise Misconfigured(
                f"topic {topic} is not there: make it with `framemeter topics create`"
            )
        return sorted(numbers)

    async def create_topics(self, topics: Iterable[Topic], *, replication: int = 1) -> list[str]:
        """Create the topics that are not there yet; return their names once clients can see all.

        Raises `Retryable` when the broker is away or not ready, `Misconfigured` when it refuses or
        when a topic is there with another number of partitions.
        """
        wanted = {topic.name: topic for topic in topics}
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self.bootstrap,
            client_id="framemeter-topics",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            **self.security,
        )
        try:
            await admin.start()
            response = await admin.create_topics(
                [
                    NewTopic(
                        name=topic.name,
                        num_partitions=topic.partitions,
                        replication_factor=replication,
                        topic_configs=topic.config,
                    )
                    for topic in wanted.values()
                ]
            )
            made = [name for name, code, *_ in response.topic_errors if not _refused(name, code)]
            for topic in await _described(admin, list(wanted)):
                _check_partitions(topic["topic"], len(topic["partitions"]), wanted)
        except (KafkaError, OSError) as error:
            raise Retryable(f"Kafka at {self.bootstrap} does not answer: {error}") from error
        finally:
            await admin.close()
        return made


async def _described(admin: AIOKafkaAdminClient, names: list[str]) -> list[dict[str, Any]]:
    """Return what the broker says of the topics; a new one appears some moments after it is made.

    The broker's answer to a creation comes from its controller, that to a question from a copy.
    """
    for _ in range(TOPICS_SEEN_ATTEMPTS_MAX):
        topics: list[dict[str, Any]] = await admin.describe_topics(names)
        if all(topic["error_code"] == 0 for topic in topics):
            return topics
        await asyncio.sleep(TOPICS_SEEN_WAIT_S)
    raise Retryable("Kafka has made topics that it does not show yet")


def _refused(name: str, code: int) -> bool:
    """Say whether the topic was there already; raise when the broker refused it."""
    error = for_code(code)
    if code == 0:
        return False
    if error is TopicAlreadyExistsError:
        return True
    if error.retriable:
        raise Retryable(f"Kafka is not ready to create topic {name}: {error.__name__}")
    raise Misconfigured(f"Kafka refuses to create topic {name}: {error.__name__}")


def _check_partitions(name: str, partitions: int, wanted: dict[str, Topic]) -> None:
    if partitions != wanted[name].partitions:
        raise Misconfigured(
            f"topic {name} has {partitions} partitions, not {wanted[name].partitions}: set"
            " FRAMEMETER_PARTITIONS to what the topics have, or use another FRAMEMETER_TOPIC_PREFIX"
        )


def _security(settings: WireSettings) -> dict[str, Any]:
    if settings.kafka_security_protocol == "PLAINTEXT":
        return {}
    options: dict[str, Any] = {"security_protocol": settings.kafka_security_protocol}
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings.kafka_ca_file)
    if settings.kafka_security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    return options


def _ssl_context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"FRAMEMETER_KAFKA_CA_FILE {ca_file}: {error}") from error
