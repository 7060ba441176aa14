"""Models come and change by the topic; OpenVINO finds people in real frames from Kafka."""

import asyncio
import json
from pathlib import Path

import av
import cv2
import msgspec
import pytest
import simplejpeg

from samples.catalog import FOOTAGE, PARK_MODEL
from tests.integration.consumers.floor import SPEC, Floor, now_frame
from wire.compacted import put

pytestmark = pytest.mark.integration
REPOSITORY = Path(__file__).parents[3]
HEIGHT, WIDTH = PARK_MODEL.height, PARK_MODEL.width


def footage(count: int) -> list[bytes]:
    """Return frames of the real footage as JPEGs of the model's size."""
    pictures = []
    with av.open(str(FOOTAGE)) as container:
        for frame in container.decode(video=0):
            pixels = cv2.resize(frame.to_ndarray(format="bgr24"), (WIDTH, HEIGHT))
            pictures.append(simplejpeg.encode_jpeg(pixels, quality=85, colorspace="BGR"))
            if len(pictures) == count:
                break
    return pictures


async def test_people_in_the_footage_are_found_and_any_kafka_client_can_read_it(
    floor: Floor,
) -> None:
    source = str(PARK_MODEL.openvino.relative_to(REPOSITORY))
    await floor.announce(msgspec.structs.replace(SPEC, source=source, confidence=0.3))
    floor.start(engine="auto", FRAMEMETER_MODELS_FOLDER=str(REPOSITORY))
    for seq, picture in enumerate(footage(12)):
        floor.send(now_frame(seq, picture=picture, height=HEIGHT, width=WIDTH))
    floor.flush()
    await floor.detected(12, wait_s=90)
    messages = floor.read(floor.topics.detections)
    for seq, message in enumerate(messages):
        event = json.loads(message.value())
        assert event["specversion"] == "1.0"
        assert event["type"] == "framemeter.detection.v1"
        assert event["id"] == f"gate/1/{seq}"
        assert dict(message.headers())["content-type"].startswith(b"application/cloudevents+json")
        assert message.key() == b"gate"
        detection = event["data"]
        assert detection["status"] == "detected"
        people = [thing for thing in detection["objects"] if thing["class_name"] == "person"]
        assert people
        x1, y1, x2, y2 = people[0]["box"]
        assert 0 <= x1 < x2 <= WIDTH
        assert 0 <= y1 < y2 <= HEIGHT


async def test_a_new_version_takes_over_while_frames_flow(floor: Floor) -> None:
    floor.start()
    floor.send(*(now_frame(seq) for seq in range(5)))
    floor.flush()
    await floor.detected(5)
    await floor.announce(msgspec.structs.replace(SPEC, version="v2"))

    async def flow() -> int:
        for seq in range(5, 1000):
            floor.send(now_frame(seq))
            await asyncio.sleep(0.02)
            if seq % 50 == 0 and '"version": "v2"' in floor.log():
                floor.send(now_frame(seq + 1))
                floor.flush()
                return seq + 2
        return 1000

    count = await flow()
    found = await floor.detected(count)
    versions = [detection.model_version for detection in found]
    assert versions == sorted(versions)
    assert set(versions) == {"v1", "v2"}


async def test_a_model_announced_after_its_first_frames_is_found(floor: Floor) -> None:
    floor.start()
    floor.send(now_frame(0))
    floor.flush()
    await floor.detected(1)
    await floor.announce(msgspec.structs.replace(SPEC, model="late"))
    floor.send(now_frame(1, model="late"))
    floor.flush()
    assert [detection.status.value for detection in await floor.detected(2)] == ["detected"] * 2


async def test_a_broken_announcement_changes_nothing_and_a_tombstone_removes(floor: Floor) -> None:
    await put(floor.kafka, floor.topics.models, {"park-n": b"{ not an announcement"})
    floor.start()
    floor.send(now_frame(0))
    floor.flush()
    assert (await floor.detected(1))[0].model_version == SPEC.version
    assert "a broken model announcement" in floor.log()
    await put(floor.kafka, floor.topics.models, {"park-n": None})
    await floor.until(lambda: "model removed" in floor.log(), what="the removal")
    floor.send(now_frame(1))
    floor.flush()
    last = (await floor.detected(2))[1]
    assert (last.status.value, last.reason) == ("failed", "model park-n is not registered")
