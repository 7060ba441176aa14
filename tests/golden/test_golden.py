"""The bytes of every message are those of the golden files, and the files can still be read."""

import msgspec
import pytest

from tests.golden import messages
from wire import balances, detections, frames, model_failures, models, sessions, streams, usage


@pytest.mark.parametrize("name", sorted(messages.golden()))
def test_the_bytes_of_a_message_have_not_changed(name: str) -> None:
    written = messages.golden()[name]
    assert written == (messages.FILES / name).read_bytes(), (
        f"{name} is written differently now: if that is meant, run"
        " `python -m tests.golden.write`, and think of readers of the old form"
    )


def test_there_is_no_golden_file_that_nothing_writes() -> None:
    assert {path.name for path in messages.FILES.iterdir()} == set(messages.golden())


@pytest.mark.parametrize(
    ("name", "decode", "message"),
    [
        ("detection.json", detections.decode, messages.DETECTION),
        ("detection-rejected.json", detections.decode, messages.REJECTED),
        ("detection-sliced.json", detections.decode, messages.DETECTION_SLICED),
        ("usage.json", usage.decode, messages.USAGE),
        ("stream.json", streams.decode, messages.STREAM),
        ("stream-sliced.json", streams.decode, messages.STREAM_SLICED),
        ("model.json", models.decode, messages.MODEL),
        ("model-canary.json", models.decode, messages.MODEL_CANARY),
        ("model-failure.json", model_failures.decode, messages.MODEL_FAILURE),
        ("balance.json", balances.decode, messages.BALANCE),
        ("alert.json", balances.decode_alert, messages.ALERT),
        ("session-open.json", msgspec.json.Decoder(sessions.OpenSession).decode, messages.OPEN),
        (
            "session-open-sliced.json",
            msgspec.json.Decoder(sessions.OpenSession).decode,
            messages.OPEN_SLICED,
        ),
        ("session-renew.json", msgspec.json.Decoder(sessions.RenewSession).decode, messages.RENEW),
        ("session-close.json", msgspec.json.Decoder(sessions.CloseSession).decode, messages.CLOSE),
        ("session-grant.json", msgspec.json.Decoder(sessions.Grant).decode, messages.GRANT),
    ],
)
def test_a_golden_file_is_read_as_the_message_that_it_was(name, decode, message) -> None:
    assert decode((messages.FILES / name).read_bytes()) == message


@pytest.mark.parametrize(
    ("name", "frame"),
    [("frame.headers", messages.FRAME), ("frame-sliced.headers", messages.FRAME_SLICED)],
)
def test_the_golden_headers_are_read_as_the_frame_that_they_were(
    name: str, frame: frames.Frame
) -> None:
    lines = (messages.FILES / name).read_bytes().splitlines()
    headers = [(name.decode(), value) for name, value in (line.split(b": ", 1) for line in lines)]
    assert frames.decode(headers, frame.picture) == frame
