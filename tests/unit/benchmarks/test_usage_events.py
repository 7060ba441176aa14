"""The usage that the biller is given."""

from benchmarks.books import OpenedSession
from benchmarks.usage_events import events
from wire import usage

SESSIONS = [
    OpenedSession(account="account-0", stream="stream-0", epoch=1),
    OpenedSession(account="account-1", stream="stream-1", epoch=2),
]


def test_every_frame_has_one_event_and_the_streams_are_mixed() -> None:
    ids = [event.id for event in events(SESSIONS, 2)]
    assert ids == ["stream-0/1/0-0", "stream-1/2/0-0", "stream-0/1/1-1", "stream-1/2/1-1"]


def test_the_biller_can_read_every_event() -> None:
    for event in events(SESSIONS, 3):
        assert usage.decode(usage.encode(event, at=event.captured_at)) == event
