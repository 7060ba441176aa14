"""The official CloudEvents SDK reads our messages and finds the same attributes and data."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    from_kafka_event,
    to_binary_event,
    to_structured_event,
)
from hypothesis import given

from tests.golden import messages
from tests.unit.wire import strategies
from wire import balances, detections, frames, models, streams, usage
from wire.cloudevents import STRUCTURED_HEADERS


def frame_event(frame: frames.Frame) -> BaseCloudEvent:
    """Return what the SDK sees in a frame's message."""
    headers = dict(frames.encode_headers(frame))
    return from_kafka_event(KafkaMessage(headers, frame.stream.encode(), frame.picture))


def test_the_sdk_reads_a_frame_in_binary_mode() -> None:
    frame = messages.FRAME
    event = frame_event(frame)
    assert event.get_specversion() == "1.0"
    assert event.get_id() == "park.north-1/3/41"
    assert event.get_type() == "framemeter.frame.v1"
    assert event.get_source() == "framemeter/pipeline"
    assert event.get_subject() == event.get_extension("partitionkey") == frame.stream
    assert event.get_time() == frame.captured_at
    assert event.get_datacontenttype() == "image/jpeg"
    assert event.get_data() == frame.picture
    extensions = {
        "account": "city-parks",
        "epoch": "3",
        "seq": "41",
        "model": "yolov8l",
        "height": "960",
        "width": "960",
        "tier": "priority",
        "maxage": "5000",
        "sourceheight": "1080",
        "sourcewidth": "1920",
        "reply": "gateway-0",
    }
    assert {name: event.get_extension(name) for name in extensions} == extensions


@given(strategies.frames)
def test_the_sdk_accepts_every_frame(frame: frames.Frame) -> None:
    event = frame_event(frame)
    assert (event.get_id(), event.get_time()) == (frame.id, frame.captured_at)


def test_a_frame_that_the_sdk_writes_is_a_frame() -> None:
    written = to_binary_event(frame_event(messages.FRAME))
    decoded = frames.decode(written.headers.items(), written.value)
    assert decoded == msgspec.structs.replace(messages.FRAME, traceparent=None)


STRUCTURED: list[tuple[str, bytes, Callable[[bytes], Any], Any, str, str, datetime]] = [
    (
        "framemeter.detection.v1",
        detections.encode(messages.DETECTION),
        detections.decode,
        messages.DETECTION,
        "park.north-1/3/41",
        "park.north-1",
        messages.DETECTED_AT,
    ),
    (
        "framemeter.usage.v1",
        usage.encode(messages.USAGE, at=messages.DETECTED_AT),
        usage.decode,
        messages.USAGE,
        "park.north-1/3/40-47",
        "park.north-1",
        messages.DETECTED_AT,
    ),
    (
        "framemeter.stream.v1",
        streams.encode(messages.STREAM, at=messages.CAPTURED_AT),
        streams.decode,
        messages.STREAM,
        "park.north-1",
        "park.north-1",
        messages.CAPTURED_AT,
    ),
    (
        "framemeter.model.v1",
        models.encode(messages.MODEL, at=messages.CAPTURED_AT),
        models.decode,
        messages.MODEL,
        "yolov8l@2026-02",
        "yolov8l",
        messages.CAPTURED_AT,
    ),
    (
        "framemeter.balance.v1",
        balances.encode(messages.BALANCE, at=messages.DETECTED_AT),
        balances.decode,
        messages.BALANCE,
        "city-parks/17",
        "city-parks",
        messages.DETECTED_AT,
    ),
    (
        "framemeter.alert.v1",
        balances.encode_alert(messages.ALERT, at=messages.DETECTED_AT),
        balances.decode_alert,
        messages.ALERT,
        "city-parks/1000000/18",
        "city-parks",
        messages.DETECTED_AT,
    ),
]


@pytest.mark.parametrize(
    ("event_type", "value", "decode", "message", "event_id", "subject", "time"), STRUCTURED
)
def test_the_sdk_reads_and_writes_structured_messages(
    event_type: str,
    value: bytes,
    decode: Callable[[bytes], Any],
    message: Any,
    event_id: str,
    subject: str,
    time: datetime,
) -> None:
    event = from_kafka_event(KafkaMessage(dict(STRUCTURED_HEADERS), None, value))
    assert event.get_specversion() == "1.0"
    assert event.get_type() == event_type
    assert event.get_source().startswith("framemeter/")
    assert (event.get_id(), event.get_subject(), event.get_time()) == (event_id, subject, time)
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == msgspec.json.decode(msgspec.json.encode(message))
    assert decode(to_structured_event(event).value) == message


@given(strategies.detections)
def test_the_sdk_accepts_every_detection(detection: detections.Detection) -> None:
    value = detections.encode(detection)
    event = from_kafka_event(KafkaMessage(dict(STRUCTURED_HEADERS), None, value))
    assert event.get_data() == msgspec.json.decode(msgspec.json.encode(detection))
