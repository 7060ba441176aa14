"""What a transaction writes: one detection a frame, each frame in exactly one usage event."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from consumers.detector.metering import OVERDUE_S, Outcome, messages_of, overdue, usage_of
from tests.unit.consumers.detector.made import NOON, frame, origin, outcome
from wire import detections, usage
from wire.frames import FrameIdentity
from wire.slicing import Slices
from wire.topics import Topics
from wire.transactions import Message
from wire.usage import Status, UsageEvent

TOPICS = Topics(partitions=4)


def written(*outcomes: Outcome) -> list[Message]:
    return messages_of(outcomes, topics=TOPICS, partition=3, at=NOON)


def ranges(events: list[UsageEvent]) -> list[tuple[str, int, int, str]]:
    return [(event.stream, event.first, event.last, event.status.value) for event in events]


def test_consecutive_frames_of_one_minute_share_an_event() -> None:
    events = usage_of(outcome(frame(seq)) for seq in range(5))
    assert ranges(events) == [("gate", 0, 4, "detected")]
    assert events[0].captured_at == NOON


def test_streams_that_alternate_keep_their_ranges() -> None:
    outcomes = [
        outcome(frame(seq, stream=stream)) for seq in range(3) for stream in ("gate", "pond")
    ]
    assert ranges(usage_of(outcomes)) == [("gate", 0, 2, "detected"), ("pond", 0, 2, "detected")]


def test_a_hole_a_status_a_version_a_minute_and_an_epoch_each_begin_a_new_event() -> None:
    first = outcome(frame(0))
    for second in (
        outcome(frame(2)),
        outcome(frame(1), Status.EXPIRED),
        outcome(frame(1), version="v2"),
        outcome(frame(1, captured_at=NOON + timedelta(seconds=60))),
        outcome(frame(1, epoch=2)),
        outcome(frame(1, height=96)),
    ):
        assert len(usage_of([first, second])) == 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["gate", "pond"]), st.integers(0, 5), st.sampled_from(list(Status))
        )
    )
)
def test_usage_counts_every_outcome_exactly_as_often_as_it_came(rows: list) -> None:  # type: ignore[type-arg]
    outcomes = [outcome(frame(seq, stream=stream), status) for stream, seq, status in rows]
    counted = Counter(
        (event.stream, seq, event.status)
        for event in usage_of(outcomes)
        for seq in range(event.first, event.last + 1)
    )
    assert counted == Counter(rows)


def test_everything_goes_to_one_partition_and_can_be_read_again() -> None:
    made = frame(7, reply="gateway-1", traceparent="00-ab-cd-01")
    detection, reply, event = written(outcome(made))
    assert {message.partition for message in (detection, reply, event)} == {3}
    assert {message.key for message in (detection, reply, event)} == {b"gate"}
    assert detection.topic == TOPICS.detections
    envelope = detections.decode_envelope(detection.value)
    assert envelope.data.id == made.id == envelope.id
    assert envelope.traceparent == "00-ab-cd-01"
    assert envelope.data.model_version == "v1"
    assert (reply.topic, reply.value) == (TOPICS.replies, detection.value)
    assert ("reply", b"gateway-1") in reply.headers
    assert usage.decode(event.value).id == "gate/1/7-7"


def test_a_frame_that_nobody_waits_for_has_no_reply() -> None:
    assert [message.topic for message in written(outcome(frame()))] == [
        TOPICS.detections,
        TOPICS.usage,
    ]


def test_a_bad_message_with_an_identity_is_rejected_and_copied() -> None:
    made = frame(3)
    identity = FrameIdentity(
        **{name: getattr(made, name) for name in FrameIdentity.__struct_fields__}
    )
    rejected = replace(
        outcome(made, Status.REJECTED, reason="no picture", dead=origin(made, offset=41)),
        identity=identity,
    )
    detection, dead, event = written(rejected)
    assert detections.decode(detection.value).reason == "no picture"
    assert detections.decode(detection.value).status is Status.REJECTED
    assert usage.decode(event.value).status is Status.REJECTED
    assert (dead.topic, dead.key, dead.value) == (TOPICS.deadletter, b"gate", made.picture)
    headers = dict(dead.headers)
    assert headers["ce_id"] == b"gate/1/3"
    assert headers["dl_reason"] == b"no picture"
    assert headers["dl_topic"] == b"framemeter.frames.standard"
    assert (headers["dl_partition"], headers["dl_offset"]) == (b"3", b"41")


def test_a_message_that_names_no_frame_is_copied_and_nothing_else() -> None:
    nameless = replace(
        outcome(frame(), Status.REJECTED, reason="no headers", dead=origin(frame())), identity=None
    )
    assert [message.topic for message in written(nameless)] == [TOPICS.deadletter]


def test_a_long_reason_is_cut() -> None:
    (detection, _) = written(outcome(frame(), Status.FAILED, reason="x" * 10_000))
    reason = detections.decode(detection.value).reason
    assert reason is not None
    assert len(reason) == 500


def test_a_detected_frame_may_be_charged_until_a_while_after_its_greatest_age() -> None:
    made = frame(max_age_ms=5_000)
    last = NOON + timedelta(seconds=5 + OVERDUE_S)
    assert not overdue([outcome(made)], last)
    assert overdue([outcome(made)], last + timedelta(seconds=1))


def test_a_frame_that_costs_nothing_is_never_too_old() -> None:
    late = NOON + timedelta(days=1)
    free = [outcome(frame(), status) for status in Status if status is not Status.DETECTED]
    assert not overdue(free, late)


def test_a_detection_names_its_task_and_slices() -> None:
    slices = Slices(rows=2, columns=2)
    (first, *_) = written(outcome(frame(0, slices=slices), task="segment"))
    detection = detections.decode(first.value)
    assert (detection.task, detection.slices) == ("segment", slices)
