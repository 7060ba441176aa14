"""The structured messages: round trips, and bytes that are none."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden import messages
from tests.unit.wire import strategies
from wire import balances, detections, models, streams, usage
from wire.cloudevents import VALUE_BYTES_MAX
from wire.errors import Rejected

AT = datetime(2026, 1, 1, tzinfo=UTC)
Decode = Callable[[bytes | None], object]
EVENTS: list[tuple[Decode, bytes]] = [
    (detections.decode, messages.golden()["detection.json"]),
    (usage.decode, messages.golden()["usage.json"]),
    (streams.decode, messages.golden()["stream.json"]),
    (models.decode, messages.golden()["model.json"]),
    (balances.decode, messages.golden()["balance.json"]),
    (balances.decode_alert, messages.golden()["alert.json"]),
    (balances.decode_news, messages.golden()["balance.json"]),
    (balances.decode_news, messages.golden()["alert.json"]),
]
events = pytest.mark.parametrize(
    ("decode", "value"),
    EVENTS,
    ids=["detection", "usage", "stream", "model", "balance", "alert", "news", "alert-news"],
)


@given(strategies.detections, st.none() | strategies.printable)
def test_a_detection_survives_its_topic(
    detection: detections.Detection, traceparent: str | None
) -> None:
    envelope = detections.decode_envelope(detections.encode(detection, traceparent=traceparent))
    assert envelope.data == detection
    assert (envelope.id, envelope.subject) == (detection.id, detection.stream)
    assert envelope.time == detection.detected_at
    assert envelope.traceparent == traceparent


@given(strategies.usage_events(), strategies.moments)
def test_a_usage_event_survives_its_topic(event: usage.UsageEvent, at: datetime) -> None:
    envelope = usage.decode_envelope(usage.encode(event, at=at))
    assert envelope.data == event
    assert (envelope.id, envelope.subject, envelope.time) == (event.id, event.stream, at)


@given(st.integers(), st.integers(0), st.integers(0), st.integers(0))
def test_a_balance_survives_its_topic(
    available: int, version: int, held: int, receivable: int
) -> None:
    bound = 2**63
    balance = balances.Balance(
        account="a",
        version=version % bound,
        available=available % bound,
        held=held % bound,
        receivable=receivable % bound,
    )
    assert balances.decode(balances.encode(balance, at=AT)) == balance


def test_a_reader_of_balances_tells_balances_and_alerts_apart() -> None:
    files = messages.golden()
    assert balances.decode_news(files["balance.json"]) == messages.BALANCE
    assert balances.decode_news(files["alert.json"]) == messages.ALERT
    assert messages.ALERT.id == "city-parks/1000000/18"
    assert messages.ALERT.key == "city-parks/alert/1000000"


def test_a_usage_event_is_named_by_its_frames_so_that_a_retry_repeats_the_name() -> None:
    assert messages.USAGE.id == "park.north-1/3/40-47"
    assert messages.USAGE.frames == 8


@events
@pytest.mark.parametrize("junk", [None, b"", b"{", b"null", b"[]", b'"x"', b"\xff\xd8\xff", b"{}"])
def test_bytes_that_are_no_event_are_rejected(decode: Decode, value: bytes, junk: bytes) -> None:
    with pytest.raises(Rejected):
        decode(junk)


@events
def test_a_cut_event_is_rejected(decode: Decode, value: bytes) -> None:
    for length in range(len(value)):
        with pytest.raises(Rejected):
            decode(value[:length])


@events
def test_an_event_of_another_type_or_version_is_rejected(decode: Decode, value: bytes) -> None:
    with pytest.raises(Rejected, match="expected framemeter"):
        decode(value.replace(b'.v1"', b'.v2"', 1))
    with pytest.raises(Rejected, match="expected framemeter"):
        decode(value.replace(b'"specversion":"1.0"', b'"specversion":"0.3"'))


@events
def test_members_that_are_not_known_yet_are_read_over(decode: Decode, value: bytes) -> None:
    newer = value.replace(b'"data":{', b'"partitionkey":"p","data":{"zoom":{"x":[1]},')
    assert decode(newer) == decode(value)


@events
def test_a_bottomless_event_is_rejected(decode: Decode, value: bytes) -> None:
    with pytest.raises(Rejected):
        decode(value[:-1] + b',"x":' + b"[" * 100_000)


@events
def test_an_event_larger_than_a_message_is_rejected(decode: Decode, value: bytes) -> None:
    with pytest.raises(Rejected, match="more than"):
        decode(value + b" " * VALUE_BYTES_MAX)


@events
def test_a_moment_without_a_time_zone_is_rejected(decode: Decode, value: bytes) -> None:
    with pytest.raises(Rejected, match="timezone"):
        decode(value.replace(b'Z"', b'"'))


@given(st.sampled_from(EVENTS), st.data())
def test_no_damage_causes_another_error(event: tuple[Decode, bytes], data: st.DataObject) -> None:
    decode, value = event
    start = data.draw(st.integers(0, len(value)))
    end = data.draw(st.integers(start, min(len(value), start + 8)))
    damaged = value[:start] + data.draw(st.binary(max_size=8)) + value[end:]
    try:
        decode(damaged)
    except Rejected as error:
        assert str(error)


@pytest.mark.parametrize(
    "change",
    [
        {"account": "City Parks"},
        {"stream": "a\x00b"},
        {"model": ""},
        {"model_version": "a\nb"},
        {"model_version": "x" * 129},
        {"epoch": 0},
        {"epoch": 2**63},
        {"first": -1},
        {"first": 48},
        {"last": 2**63 - 1, "first": 2**63 - 1},
        {"last": 40 + usage.EVENT_FRAMES_MAX},
        {"height": 0},
        {"width": 65_536},
    ],
    ids=str,
)
def test_usage_that_no_session_could_have_is_rejected(change: dict[str, object]) -> None:
    event = msgspec.structs.replace(messages.USAGE, **change)
    with pytest.raises(Rejected):
        usage.decode(usage.encode(event, at=AT))


def test_usage_beyond_the_calendar_is_rejected() -> None:
    value = messages.golden()["usage.json"]
    with pytest.raises(Rejected, match="calendar"):
        usage.decode(value.replace(b"2026-03-01T12:30:15.250000Z", b"9999-12-31T23:59:59-12:00"))


@pytest.mark.parametrize(
    ("millitokens", "text"),
    [
        (0, "0.000"),
        (1, "0.001"),
        (999, "0.999"),
        (5_625, "5.625"),
        (-1, "-0.001"),
        (-1_500, "-1.500"),
        (10**15 + 10, "1000000000000.010"),
    ],
)
def test_people_read_tokens_with_three_decimals(millitokens: int, text: str) -> None:
    assert balances.format_tokens(millitokens) == text


@given(st.integers())
def test_no_millitoken_is_lost_in_print(millitokens: int) -> None:
    assert int(balances.format_tokens(millitokens).replace(".", "")) == millitokens
