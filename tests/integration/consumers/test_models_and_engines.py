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
from wire.compacted import put, snapshot
from wire.model_failures import decode, key_of
from wire.models import Canary, Former, takes_canary

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
    await floor.announce(msgspec.structs.replace(SPEC, version="v2", source="missing.xml"))
    told: dict[str, bytes] = {}
    while key_of("park-n", "v2") not in told:
        told = await snapshot(floor.kafka, floor.topics.models)
    assert "missing.xml is not there" in decode(told[key_of("park-n", "v2")]).reason
    await floor.announce(msgspec.structs.replace(SPEC, version="v3", source=source))
    await floor.until(lambda: '"version": "v3"' in floor.log(), what="the third version")
    floor.send(now_frame(12, picture=footage(1)[0], height=HEIGHT, width=WIDTH))
    floor.flush()
    found = await floor.detected(13)
    assert [each.model_version for each in found] == ["v1"] * 12 + ["v3"]


async def test_a_detector_that_starts_beside_a_broken_version_runs_the_former_one(
    floor: Floor,
) -> None:
    former = Former(version="v1", source=str(PARK_MODEL.openvino.relative_to(REPOSITORY)))
    broken = msgspec.structs.replace(SPEC, version="v2", source="missing.xml", former=former)
    await floor.announce(broken)
    floor.start(engine="openvino", FRAMEMETER_MODELS_FOLDER=str(REPOSITORY))
    picture = footage(1)[0]
    for seq in range(3):
        floor.send(now_frame(seq, picture=picture, height=HEIGHT, width=WIDTH))
    floor.flush()
    found = await floor.detected(3, wait_s=90)
    assert [(each.status.value, each.model_version) for each in found] == [("detected", "v1")] * 3
    told: dict[str, bytes] = {}
    while key_of("park-n", "v2") not in told:
        told = await snapshot(floor.kafka, floor.topics.models)
    assert "missing.xml is not there" in decode(told[key_of("park-n", "v2")]).reason


async def test_versions_take_over_while_frames_flow_and_none_is_lost(floor: Floor) -> None:
    floor.start()
    versions = [SPEC.version, *(f"v{number}" for number in range(2, 7))]
    sent = 0
    for version in versions:
        await floor.announce(msgspec.structs.replace(SPEC, version=version))
        for _ in range(500):
            floor.send(now_frame(sent))
            sent += 1
            await asyncio.sleep(0.02)
            if f'"version": "{version}"' in floor.log():
                break
    floor.send(now_frame(sent))
    floor.flush()
    found = await floor.detected(sent + 1)
    assert [detection.seq for detection in found] == list(range(sent + 1))
    assert {detection.status.value for detection in found} == {"detected"}
    seen = [detection.model_version for detection in found]
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (versions[0], versions[-1])


async def test_a_canary_gets_its_streams_and_gives_them_back(floor: Floor) -> None:
    canary = Canary(version="v2", source=SPEC.source, percent=50)
    spec = msgspec.structs.replace(SPEC, canary=canary)
    streams = [f"cam{number}" for number in range(8)]
    theirs = {stream for stream in streams if takes_canary(spec, stream)}
    assert 0 < len(theirs) < len(streams)
    floor.start()
    floor.send(*(now_frame(0, stream=stream) for stream in streams))
    floor.flush()
    await floor.detected(8)
    await floor.announce(spec)
    await floor.until(lambda: '"version": "v2"' in floor.log(), what="the canary")
    floor.send(*(now_frame(1, stream=stream) for stream in streams))
    floor.flush()
    await floor.detected(16)
    await floor.announce(SPEC)
    await floor.until(lambda: "canary ended" in floor.log(), what="the canary's end")
    floor.send(*(now_frame(2, stream=stream) for stream in streams))
    floor.flush()
    found = await floor.detected(24)
    assert {found.model_version for found in found if found.seq != 1} == {"v1"}
    second = {each.stream: each.model_version for each in found if each.seq == 1}
    assert second == {stream: "v2" if stream in theirs else "v1" for stream in streams}


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
