"""Frames: round trips, and every way in which headers can be missing or absurd."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden.messages import FRAME
from tests.unit.wire import strategies
from wire.frames import (
    HEADER_LENGTH_MAX,
    PICTURE_BYTES_MAX,
    SIDE_MAX,
    BadFrame,
    Frame,
    FrameIdentity,
    Headers,
    decode,
    encode_headers,
    is_inference_size,
)

IDENTITY = FrameIdentity(**{name: getattr(FRAME, name) for name in FrameIdentity.__struct_fields__})
IDENTITY_HEADERS = [
    "ce_account",
    "ce_subject",
    "ce_epoch",
    "ce_seq",
    "ce_model",
    "ce_height",
    "ce_width",
    "ce_time",
]
CONTRACT_HEADERS = ["ce_id", "ce_type", "ce_tier", "ce_maxage", "ce_sourceheight", "ce_sourcewidth"]
HEADER_NAMES = [name for name, _ in encode_headers(FRAME)]


def headers_with(name: str, value: object) -> Headers:
    """Return the sample's headers with one of them replaced."""
    return [*((n, v) for n, v in encode_headers(FRAME) if n != name), (name, value)]  # type: ignore[list-item]


def headers_without(name: str) -> Headers:
    """Return the sample's headers but one."""
    return [(n, v) for n, v in encode_headers(FRAME) if n != name]


def bad(headers: Headers, value: bytes | None = FRAME.picture) -> BadFrame:
    """Return the error that these headers are answered with."""
    with pytest.raises(BadFrame) as caught:
        decode(headers, value)
    assert len(str(caught.value)) < 2_000
    return caught.value


@given(strategies.frames)
def test_a_frame_survives_its_topic(frame: Frame) -> None:
    assert decode(encode_headers(frame), frame.picture) == frame


@given(strategies.frames)
def test_a_decoded_moment_is_in_utc(frame: Frame) -> None:
    moment = decode(encode_headers(frame), frame.picture).captured_at
    assert moment.utcoffset().total_seconds() == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("name", IDENTITY_HEADERS)
@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe", b"\x00", b" ", b"1 2", "é".encode()])
def test_a_frame_whose_identity_cannot_be_read_has_none(name: str, value: bytes | None) -> None:
    error = bad(headers_with(name, value))
    assert error.identity is None
    assert name in str(error)


@pytest.mark.parametrize("name", IDENTITY_HEADERS)
def test_a_frame_whose_identity_is_missing_has_none(name: str) -> None:
    error = bad(headers_without(name))
    assert error.identity is None
    assert str(error) == f"header {name} is missing"


@pytest.mark.parametrize("name", CONTRACT_HEADERS)
@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe", b"\x00", b"nonsense", b"-1"])
def test_a_frame_whose_contract_cannot_be_read_keeps_its_identity(
    name: str, value: bytes | None
) -> None:
    error = bad(headers_with(name, value))
    assert error.identity == IDENTITY
    assert name in str(error)


@pytest.mark.parametrize("name", CONTRACT_HEADERS)
def test_a_frame_whose_contract_is_missing_keeps_its_identity(name: str) -> None:
    assert bad(headers_without(name)).identity == IDENTITY


@pytest.mark.parametrize("name", ["ce_reply", "traceparent"])
@pytest.mark.parametrize("value", [None, b"\xff", b"a\x00b", b"x" * (HEADER_LENGTH_MAX + 1)])
def test_a_header_that_a_lane_hands_on_must_be_short_and_printable(
    name: str, value: bytes | None
) -> None:
    assert bad(headers_with(name, value)).identity == IDENTITY


@pytest.mark.parametrize("name", ["ce_reply", "traceparent"])
def test_a_frame_needs_neither_a_reply_address_nor_a_trace(name: str) -> None:
    decode(headers_without(name), FRAME.picture)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_epoch", b"0"),
        ("ce_epoch", b"9223372036854775808"),
        ("ce_epoch", b"1" * 5_000),
        ("ce_epoch", "\u0661".encode()),
        ("ce_epoch", b"1_0"),
        ("ce_epoch", b"+1"),
        ("ce_seq", b"-1"),
        ("ce_seq", b"9223372036854775807"),
        ("ce_height", b"0"),
        ("ce_width", b"65536"),
        ("ce_time", b"2026-03-01T12:30:15"),
        ("ce_time", b"0001-01-01T00:00:00+14:00"),
        ("ce_time", b"9999-12-31T23:59:59-12:00"),
        ("ce_time", b"yesterday"),
        ("ce_account", b"City Parks"),
        ("ce_subject", b"a/b"),
        ("ce_model", b"x" * 129),
    ],
)
def test_absurd_identities_are_refused(name: str, value: bytes) -> None:
    error = bad(headers_with(name, value))
    assert error.identity is None
    assert name in str(error)


@pytest.mark.parametrize("value", [None, b"", b"x" * (PICTURE_BYTES_MAX + 1)])
def test_a_picture_must_be_there_and_fit_the_topic(value: bytes | None) -> None:
    assert bad(encode_headers(FRAME), value).identity == IDENTITY


@pytest.mark.parametrize("side", [b"1", b"33", b"4128", b"65535"])
def test_a_size_that_no_engine_takes_is_refused_but_accounted_for(side: bytes) -> None:
    error = bad(headers_with("ce_height", side))
    assert error.identity == msgspec.structs.replace(IDENTITY, height=int(side))


def test_an_id_that_is_not_made_of_the_identity_is_refused() -> None:
    assert bad(headers_with("ce_id", b"park.north-1/3/40")).identity == IDENTITY


@given(st.sampled_from(HEADER_NAMES), st.none() | st.binary(max_size=40))
def test_no_header_value_causes_another_error(name: str, value: bytes | None) -> None:
    decode_or_bad(headers_with(name, value), FRAME.picture)


@given(
    st.lists(
        st.tuples(st.sampled_from(HEADER_NAMES) | st.text(max_size=5), st.none() | st.binary())
    ),
    st.none() | st.binary(max_size=20),
)
def test_no_set_of_headers_causes_another_error(headers: Headers, value: bytes | None) -> None:
    decode_or_bad(headers, value)


@given(st.lists(st.sampled_from(encode_headers(FRAME))), st.sampled_from([None, b"", b"jpeg"]))
def test_no_part_of_a_good_frame_causes_another_error(
    headers: Headers, value: bytes | None
) -> None:
    decode_or_bad(headers, value)


def decode_or_bad(headers: Headers, value: bytes | None) -> None:
    """Decode; what decodes must decode again, what does not must say why."""
    try:
        frame = decode(headers, value)
    except BadFrame as error:
        assert str(error)
    else:
        assert decode(encode_headers(frame), frame.picture) == frame


@pytest.mark.parametrize(
    ("height", "width", "good"),
    [(32, 4096, True), (384, 640, True), (0, 640, False), (640, 650, False), (640, 4128, False)],
)
def test_engines_take_multiples_of_their_stride(height: int, width: int, good: bool) -> None:
    assert is_inference_size(height, width) is good
    assert SIDE_MAX == 4096


def test_a_frame_is_named_by_stream_epoch_and_seq() -> None:
    assert FRAME.id == "park.north-1/3/41"
