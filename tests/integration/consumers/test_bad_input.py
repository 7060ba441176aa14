"""Whatever lies on a frames topic: the rest goes on, and every frame has one outcome."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.consumers.floor import Floor, now_frame, used
from wire.frames import Frame, encode_headers
from wire.usage import Status

pytestmark = pytest.mark.integration


async def test_each_kind_of_bad_frame_has_its_outcome_and_the_others_are_detected(
    floor: Floor,
) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    whole = now_frame(1)
    absurd = now_frame(5)
    floor.start()
    floor.send(now_frame(0))
    floor.send(now_frame(1, picture=whole.picture[: len(whole.picture) // 2]))
    floor.send(now_frame(2, model="nobody-knows"))
    floor.send(now_frame(3, captured_at=long_ago))
    floor.send(now_frame(4, height=640, width=640))
    floor.send_raw(absurd.picture, _changed(absurd, ce_height=b"31"), absurd)
    floor.send_raw(b"\xff\xd8 not a frame at all", [])
    floor.send_raw(None, None)
    floor.send_raw(b"x", [("ce_subject", b"\xff\xfe"), ("ce_seq", b"-1")])
    floor.send(now_frame(6))
    floor.flush()
    found = {detection.seq: detection for detection in await floor.detected(7)}
    statuses = [found[seq].status.value for seq in range(7)]
    assert statuses == [
        "detected",
        "rejected",
        "failed",
        "expired",
        "rejected",
        "rejected",
        "detected",
    ]
    assert found[1].reason is not None
    assert "not a whole JPEG" in found[1].reason
    assert found[2].reason == "model nobody-knows is not registered"
    assert found[4].reason == "the picture is 64x96, its headers say 640x640"
    assert used(floor.usage()) == {f"gate/1/{seq}": 1 for seq in range(7)}
    assert {event.status for event in floor.usage()} == set(Status) - {Status.CACHED}
    dead = floor.read(floor.topics.deadletter)
    reasons = [dict(message.headers())["dl_reason"].decode() for message in dead]
    assert len(dead) == 6
    assert dead[0].value() == whole.picture[: len(whole.picture) // 2]
    assert sum("is missing" in reason for reason in reasons) == 3
    assert floor.stop("detector") == 0


async def test_a_frame_that_lies_on_the_topic_twice_is_detected_once(floor: Floor) -> None:
    floor.start()
    made = [now_frame(seq) for seq in range(5)]
    floor.send(*made, *made, now_frame(5))
    floor.flush()
    await floor.detected(6)
    assert used(floor.usage()) == {f"gate/1/{seq}": 1 for seq in range(6)}
    assert [detection.seq for detection in floor.detections()] == list(range(6))


def _changed(made: Frame, **headers: bytes) -> list[tuple[str, bytes]]:
    return [(name, headers.get(name, value)) for name, value in encode_headers(made)]
