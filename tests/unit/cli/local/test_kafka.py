"""Where the local broker listens, and where it sends its clients."""

from pathlib import Path

import pytest

from cli.local.kafka import LocalKafka

PORTS = {"kafka": 20_001, "kafka_controller": 20_002, "kafka_behind_proxy": 20_003}


def settings(folder: Path, kafka: LocalKafka) -> dict[str, str]:
    """Return the settings that a broker of a formatted folder gets."""
    (folder / "kafka").mkdir()
    (folder / "kafka" / "formatted").touch()
    kafka.prepare(PORTS)
    lines = (folder / "kafka" / "server.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(autouse=True)
def jars(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask nobody for the broker's jars."""
    monkeypatch.setattr("cli.local.kafka.resolve_jars", lambda: ["kafka.jar"])


def test_clients_are_sent_to_the_port_that_they_asked(tmp_path: Path) -> None:
    found = settings(tmp_path, LocalKafka(tmp_path))
    assert found["advertised.listeners"] == "PLAINTEXT://127.0.0.1:20001"
    assert "20003" not in found["listeners"]


def test_clients_that_come_through_a_proxy_are_sent_back_to_it(tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path, proxy_port=20_009)
    assert set(kafka.port_names) == set(PORTS)
    found = settings(tmp_path, kafka)
    assert "PROXY://127.0.0.1:20003" in found["listeners"].split(",")
    told = found["advertised.listeners"].split(",")
    assert told == ["PLAINTEXT://127.0.0.1:20001", "PROXY://127.0.0.1:20009"]
    assert "PROXY:PLAINTEXT" in found["listener.security.protocol.map"].split(",")
