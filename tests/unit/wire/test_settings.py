"""Settings: read from the environment, frozen, and silent about secrets."""

import logging
from pathlib import Path

import pytest
from pydantic import ValidationError

from wire.kafka import Kafka
from wire.settings import WireSettings

SECRET = "correct-horse-battery"


def with_password(monkeypatch: pytest.MonkeyPatch) -> WireSettings:
    """Return settings whose environment holds a password."""
    monkeypatch.setenv("FRAMEMETER_KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("FRAMEMETER_KAFKA_USERNAME", "biller")
    monkeypatch.setenv("FRAMEMETER_KAFKA_PASSWORD", SECRET)
    return WireSettings()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEMETER_KAFKA", "kafka-1:9092,kafka-2:9092")
    monkeypatch.setenv("FRAMEMETER_TOPIC_PREFIX", "eu.")
    monkeypatch.setenv("FRAMEMETER_PARTITIONS", "24")
    settings = WireSettings()
    assert settings.kafka == "kafka-1:9092,kafka-2:9092"
    assert settings.topics().usage == "eu.usage"
    assert settings.topics().partitions == 24


def test_settings_cannot_change_while_the_process_runs() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        WireSettings().partitions = 9  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARTITIONS", "0"),
        ("PARTITIONS", "many"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("METRICS_PORT", "65536"),
        ("KAFKA_SECURITY_PROTOCOL", "ROT13"),
    ],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"FRAMEMETER_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        WireSettings()


def test_no_rendering_of_the_settings_shows_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = with_password(monkeypatch)
    renderings = [repr(settings), str(settings), settings.model_dump_json(), f"{settings.__dict__}"]
    assert all(SECRET not in rendering for rendering in renderings)


def test_a_cluster_knows_its_password_and_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka.of(with_password(monkeypatch))
    assert kafka.security["sasl_plain_password"] == SECRET
    assert kafka.security["sasl_plain_username"] == "biller"
    assert SECRET not in repr(kafka)


def test_a_complaint_about_a_setting_does_not_show_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FRAMEMETER_PARTITIONS", SECRET)
    with pytest.raises(ValidationError) as caught:
        WireSettings()
    assert SECRET not in str(caught.value)
    assert SECRET not in logging.Formatter().formatException(caught._excinfo)


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in WireSettings.model_fields.items():
        assert field.description, name


@pytest.fixture
def secrets_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let secrets lie in a folder of the test."""
    monkeypatch.setattr("wire.settings.SECRETS_FOLDER", tmp_path)
    return tmp_path


def test_a_secret_is_read_from_a_file_of_its_name(secrets_folder: Path) -> None:
    (secrets_folder / "framemeter_kafka_password").write_text(f"{SECRET}\n")
    (secrets_folder / "kafka_username").write_text("not ours: no prefix")
    settings = WireSettings()
    assert settings.kafka_password.get_secret_value() == SECRET
    assert settings.kafka_username == ""


def test_the_environment_is_stronger_than_a_file(
    secrets_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets_folder / "framemeter_kafka_password").write_text("from the file")
    assert with_password(monkeypatch).kafka_password.get_secret_value() == SECRET


def test_without_a_folder_of_secrets_the_environment_is_all(
    secrets_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wire.settings.SECRETS_FOLDER", secrets_folder / "missing")
    assert with_password(monkeypatch).kafka_password.get_secret_value() == SECRET
