"""Consumer groups as the broker sees them, through confluent-kafka's admin client."""

from confluent_kafka import admin

from tests.acceptance.system import System

TIMEOUT_S = 10.0


def _client(system: System) -> admin.AdminClient:
    return admin.AdminClient({"bootstrap.servers": system.target.kafka.bootstrap})


def members_with_work(system: System, role: str) -> int:
    """Return how many members of a role's group have at least one partition."""
    group = f"{system.target.topics.prefix}{role}"
    client = _client(system)  # kept until the answer is there: it takes its futures with it
    answers = client.describe_consumer_groups([group], request_timeout=TIMEOUT_S)
    members = answers[group].result(TIMEOUT_S).members
    return sum(1 for member in members if member.assignment.topic_partitions)


def forget_group(system: System, role: str) -> None:
    """Delete a role's group, and its positions with it."""
    group = f"{system.target.topics.prefix}{role}"
    client = _client(system)
    answers = client.delete_consumer_groups([group], request_timeout=TIMEOUT_S)
    answers[group].result(TIMEOUT_S)
