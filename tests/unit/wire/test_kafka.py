"""Kafka's options: how the settings become a connection, and which mistakes are named."""

import ssl

import pytest

from wire.errors import Misconfigured, Retryable
from wire.kafka import Kafka
from wire.settings import WireSettings
from wire.topics import Topic


def test_a_plain_cluster_needs_no_security() -> None:
    assert Kafka.of(WireSettings(kafka="k:1")) == Kafka(bootstrap="k:1", security={})


def test_tls_and_a_login_are_handed_to_every_client() -> None:
    settings = WireSettings(kafka_security_protocol="SASL_SSL", kafka_username="u")
    security = Kafka.of(settings).security
    assert isinstance(security["ssl_context"], ssl.SSLContext)
    assert security["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert security["sasl_mechanism"] == "SCRAM-SHA-512"


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_bad_ca_file_is_named(tmp_path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    settings = WireSettings(kafka_security_protocol="SSL", kafka_ca_file=str(file))
    with pytest.raises(Misconfigured, match="FRAMEMETER_KAFKA_CA_FILE"):
        Kafka.of(settings)


async def test_a_broker_that_is_away_may_come_back(unused_tcp_port: int) -> None:
    kafka = Kafka(bootstrap=f"127.0.0.1:{unused_tcp_port}")
    with pytest.raises(Retryable, match="does not answer"):
        await kafka.create_topics([Topic(name="t", partitions=1)])
