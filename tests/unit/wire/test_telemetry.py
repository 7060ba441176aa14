"""Logs are JSON lines when nobody watches; metrics answer on their port."""

import json
import subprocess
import sys
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Counter

from wire.errors import Misconfigured
from wire.settings import WireSettings
from wire.telemetry import serve_metrics

SECRET = "correct-horse-battery"
PROGRAM = f"""
import logging
import structlog
from wire.settings import WireSettings
from wire.telemetry import configure_logging

settings = WireSettings(kafka_password="{SECRET}")
configure_logging(settings, process="test")
log = structlog.stdlib.get_logger("ours")
log.info("one line", path="a\\nb", settings=settings, password=settings.kafka_password)
log.debug("not this one")
logging.getLogger("theirs").warning("of the %s", "library")
logging.getLogger("aiokafka.producer").warning("noise")

def connect(password):
    return 1 / 0

try:
    connect(settings.kafka_password.get_secret_value())
except ZeroDivisionError:
    log.exception("with a traceback")
    logging.getLogger("theirs").exception("and theirs")
"""


def logged(log_format: str) -> list[str]:
    """Return what a small program writes to standard error."""
    program = PROGRAM.replace("WireSettings(", f"WireSettings(log_format={log_format!r}, ")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("log_format", ["json", "auto"])
def test_every_line_is_one_json_object(log_format: str) -> None:
    lines = [json.loads(line) for line in logged(log_format)]
    assert [line["event"] for line in lines] == [
        "one line",
        "of the library",
        "with a traceback",
        "and theirs",
    ]
    assert all(line["process"] == "test" for line in lines)
    assert [line["level"] for line in lines] == ["info", "warning", "error", "error"]
    assert [line["logger"] for line in lines] == ["ours", "theirs", "ours", "theirs"]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert all("ZeroDivisionError" in line["exception"] for line in lines[2:])
    assert lines[0]["path"] == "a\nb"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_password_that_is_logged_by_mistake_is_masked(log_format: str) -> None:
    text = "\n".join(logged(log_format))
    assert SECRET not in text
    assert "**********" in text


def test_metrics_answer_on_their_port(unused_tcp_port: int) -> None:
    registry = CollectorRegistry()
    Counter("framemeter_test_total", "A test's own.", registry=registry).inc(3)
    serve_metrics(WireSettings(metrics_port=unused_tcp_port), registry)
    for path in ("metrics", "healthz"):
        with urllib.request.urlopen(f"http://127.0.0.1:{unused_tcp_port}/{path}") as answer:
            assert b"framemeter_test_total 3.0" in answer.read()


def test_a_port_that_is_taken_is_named(unused_tcp_port: int) -> None:
    settings = WireSettings(metrics_port=unused_tcp_port)
    serve_metrics(settings, CollectorRegistry())
    with pytest.raises(Misconfigured, match="FRAMEMETER_METRICS_PORT"):
        serve_metrics(settings, CollectorRegistry())


def test_port_zero_turns_metrics_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wire.telemetry.start_http_server", None)
    serve_metrics(WireSettings(metrics_port=0), CollectorRegistry())
