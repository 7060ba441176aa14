"""What hypothesis draws wire messages from."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from wire.detections import DetectedObject, Detection
from wire.frames import INT64_MAX, MAX_AGE_MS_MAX, SIDE_MAX, SIDE_STEP, Frame, Tier
from wire.usage import EVENT_FRAMES_MAX, Status, UsageEvent

names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,127}", fullmatch=True)
sides = st.integers(1, SIDE_MAX // SIDE_STEP).map(lambda steps: steps * SIDE_STEP)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001  (hypothesis adds the zone)
    max_value=datetime(2970, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC) | offsets,
)
printable = st.text(max_size=64).filter(str.isprintable)
epochs = st.integers(1, INT64_MAX)
seqs = st.integers(0, INT64_MAX - 1)
reals = st.floats(allow_nan=False, allow_infinity=False)

frames = st.builds(
    Frame,
    account=names,
    stream=names,
    epoch=epochs,
    seq=seqs,
    model=names,
    height=sides,
    width=sides,
    captured_at=moments,
    tier=st.sampled_from(Tier),
    max_age_ms=st.integers(1, MAX_AGE_MS_MAX),
    source_height=st.integers(1, 65_535),
    source_width=st.integers(1, 65_535),
    reply=st.none() | printable,
    traceparent=st.none() | printable,
    picture=st.binary(min_size=1, max_size=200),
)

objects = st.builds(
    DetectedObject,
    class_id=st.integers(0, 10_000),
    class_name=st.text(max_size=40),
    confidence=reals,
    box=st.tuples(reals, reals, reals, reals),
)

detections = st.builds(
    Detection,
    account=names,
    stream=names,
    epoch=epochs,
    seq=seqs,
    captured_at=moments,
    detected_at=moments,
    status=st.sampled_from(Status),
    model=names,
    model_version=names,
    task=st.just("detect"),
    height=sides,
    width=sides,
    source_height=st.integers(1, 65_535),
    source_width=st.integers(1, 65_535),
    objects=st.lists(objects, max_size=4).map(tuple),
    reason=st.none() | st.text(max_size=80),
)


@st.composite
def usage_events(draw: st.DrawFn) -> UsageEvent:
    """Draw an event whose frames a session could have."""
    first = draw(seqs)
    last = draw(st.integers(first, min(first + EVENT_FRAMES_MAX, INT64_MAX) - 1))
    return UsageEvent(
        account=draw(names),
        stream=draw(names),
        epoch=draw(epochs),
        first=first,
        last=last,
        status=draw(st.sampled_from(Status)),
        model=draw(names),
        model_version=draw(printable),
        height=draw(st.integers(1, 65_535)),
        width=draw(st.integers(1, 65_535)),
        captured_at=draw(moments),
    )
