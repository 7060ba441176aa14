"""An image in, objects out, paid for once, and only when something was inferred."""

import asyncio
from typing import Any

import httpx
import pytest

from pipeline.encode import decode_jpeg
from tests.unit.gateway.house import House, built, png
from wire.slicing import Slices
from wire.usage import Status

FORM = {"model": "yolov8s", "img_size": "512"}


def image(content: bytes | None = None) -> dict[str, Any]:
    """Return the file part of a form."""
    return {"image": ("x.png", png() if content is None else content, "image/png")}


async def send(
    house: House,
    *,
    form: dict[str, str] = FORM,
    content: bytes | None = None,
    key: str = "key-a",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """Send one image as a form."""
    async with house.client(key) as client:
        return await client.post(
            "/yolo/detect", data=form, files=image(content), headers=headers or {}
        )


def slug(response: httpx.Response) -> tuple[int, str]:
    """Return a problem's status and slug."""
    return response.status_code, response.json()["type"].rpartition(":")[2]


async def test_an_answer_has_boxes_in_the_images_own_pixels_and_says_what_it_cost(
    house: House,
) -> None:
    response = await send(house)
    assert response.status_code == 200
    body = response.json()
    (seen,) = body["predictions"]
    # A 60x100 image in 512x512: scale 5.12, 102 px of grey above.
    assert seen["box"] == pytest.approx([25.0, 17.58, 75.0, 42.58], abs=0.01)
    assert (seen["class_id"], seen["class_name"], seen["confidence"]) == (0, "person", 0.9)
    assert body["usage"] == {"tokens": "1.000", "remaining_tokens": "49.000", "cached": False}
    assert (body["model"], body["model_version"]) == ("yolov8s", "v7")
    assert body["request_id"] == response.headers["x-request-id"]


async def test_the_frame_is_a_fitted_picture_of_a_virtual_stream(house: House) -> None:
    await send(house, form={"model": "yolov8s", "img_size": "320x512"})
    (frame,) = house.detector.frames
    assert (frame.account, frame.stream, frame.seq) == ("a", "api.a.r1.0", 0)
    assert (frame.height, frame.width, frame.reply) == (320, 512, "r1")
    assert (frame.source_height, frame.source_width) == (60, 100)
    assert decode_jpeg(frame.picture).shape == (320, 512, 3)


async def test_a_sliced_image_is_one_frame_of_all_its_tiles_and_a_stream_of_its_own(
    house: House,
) -> None:
    slices = Slices(rows=2, columns=3, overlap=0.25)
    response = await send(house, form=FORM | {"slices": "2x3x0.25"})
    await send(house)
    cut, whole = house.detector.frames
    assert (cut.height, cut.width, cut.slices, whole.slices) == (512, 512, slices, None)
    assert decode_jpeg(cut.picture).shape == (896, 1280, 3)
    assert (cut.stream, whole.stream) == ("api.a.r1.0", "api.a.r1.1")
    # A 60x100 image in 896x1280: scale 12.8, 64 px of grey above.
    (seen,) = response.json()["predictions"]
    assert seen["box"] == pytest.approx([10.0, 10.0, 30.0, 20.0])
    assert response.json()["task"] == "detect"


async def test_slices_come_in_json_too(house: House) -> None:
    body = {"image_url": "http://127.0.0.1/x.jpg", "model": "yolov8s"}
    async with house.client() as client:
        good = await client.post("/yolo/detect", json=body | {"slices": [2, 3, 0.2]})
        bad = await client.post("/yolo/detect", json=body | {"slices": [9, 9, 0.2]})
    assert "private networks" in good.json()["detail"]  # where the image lies, not its slices
    assert "rows and columns" in bad.json()["detail"]


async def test_images_at_one_price_are_frames_of_one_session(house: House) -> None:
    answers = [(await send(house)).json()["usage"]["remaining_tokens"] for _ in range(3)]
    assert answers == ["49.000", "48.000", "47.000"]
    assert [frame.seq for frame in house.detector.frames] == [0, 1, 2]
    assert len(house.sessions.sessions) == 1


async def test_without_tokens_it_is_402_and_nothing_is_published(house: House) -> None:
    assert slug(await send(house, key="key-poor")) == (402, "insufficient-tokens")
    assert house.detector.frames == []


async def test_a_topped_up_account_is_served_at_once(house: House) -> None:
    await send(house, key="key-poor")
    house.sessions.top_up("poor", 1_000)
    assert (await send(house, key="key-poor")).status_code == 200
    assert slug(await send(house, key="key-poor")) == (402, "insufficient-tokens")


async def test_an_unknown_model_is_404_before_anything_is_opened(house: House) -> None:
    response = await send(house, form={"model": "yolov8q"}, content=b"not even an image")
    assert slug(response) == (404, "unknown-model")
    assert house.sessions.sessions == {}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.FAILED, (502, "inference-failed")),
        (Status.REJECTED, (502, "inference-failed")),
        (Status.EXPIRED, (503, "unavailable")),
    ],
)
async def test_a_frame_that_was_not_inferred_is_a_problem(
    house: House, status: Status, expected: tuple[int, str]
) -> None:
    house.detector.status = status
    response = await send(house)
    assert slug(response) == expected
    assert "nothing was charged" in response.json()["detail"]


async def test_tokens_of_a_line_at_rest_pay_for_another_size(house: House) -> None:
    house.sessions.top_up("poor", 2_000)
    first = await send(house, key="key-poor")
    second = await send(house, form=FORM | {"img_size": "640"}, key="key-poor")
    third = await send(house, key="key-poor")
    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 402]


async def test_a_session_that_was_ended_from_outside_goes_on_in_the_next_epoch(
    house: House,
) -> None:
    await send(house)
    house.sessions.sessions["api.a.r1.0", 1].over = True
    for _ in range(25):
        assert (await send(house)).status_code == 200
    ids = [(frame.stream, frame.epoch, frame.seq) for frame in house.detector.frames]
    assert len(set(ids)) == len(ids) == 26
    assert {epoch for _, epoch, _ in ids} >= {1}
    assert len(house.sessions.sessions) == 2


async def test_a_cached_result_is_free_and_says_so(house: House) -> None:
    house.detector.status = Status.CACHED
    usage = (await send(house)).json()["usage"]
    assert (usage["tokens"], usage["cached"]) == ("0.000", True)


async def test_no_answer_in_time_is_504_and_a_repeat_finds_the_late_answer() -> None:
    with built(timeout_s=0.05) as house:
        async with house.app.router.lifespan_context(house.app):
            house.detector.gate.clear()
            headers = {"Idempotency-Key": "k"}
            assert slug(await send(house, headers=headers)) == (504, "timeout")
            house.detector.gate.set()
            await asyncio.sleep(0.05)
            assert (await send(house, headers=headers)).status_code == 200
            assert len(house.detector.frames) == 1


async def test_a_repeat_with_the_same_key_is_answered_alike_and_paid_once(house: House) -> None:
    headers = {"Idempotency-Key": "order 7"}
    first, second = await send(house, headers=headers), await send(house, headers=headers)
    assert first.content == second.content
    assert len(house.detector.frames) == 1
    other = await send(house, content=png(61, 100), headers=headers)
    cut = await send(house, form=FORM | {"slices": "1x2"}, headers=headers)
    assert slug(other) == slug(cut) == (422, "key-reused")
    assert (await send(house, key="key-b", headers=headers)).status_code == 200


async def test_an_operators_key_cannot_spend(house: House) -> None:
    assert slug(await send(house, key="key-operator")) == (403, "not-allowed")


async def test_a_broker_that_is_away_is_503_and_free(house: House) -> None:
    house.detector.away = True
    assert slug(await send(house)) == (503, "unavailable")
    house.detector.away = False
    assert (await send(house)).json()["usage"]["remaining_tokens"] == "49.000"


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"model": "yolov8s", "img_size": "500"},
        {"model": "yolov8s", "tier": "gold"},
        {"model": "A B"},
        {"model": "yolov8s", "slices": "2"},
        {"model": "yolov8s", "slices": "6x6"},
        {"model": "yolov8s", "slices": "4x8", "img_size": "1280"},
    ],
)
async def test_bad_parameters_are_422(house: House, form: dict[str, str]) -> None:
    assert slug(await send(house, form=form)) == (422, "invalid-request")


@pytest.mark.parametrize("content", [b"", b"not an image", png()[:50], png(1_001, 1_000)])
async def test_bad_images_are_422_and_open_nothing(house: House, content: bytes) -> None:
    assert slug(await send(house, content=content)) == (422, "invalid-request")
    assert house.sessions.sessions == {}


async def test_large_bodies_are_413_whatever_they_say_of_their_length(house: House) -> None:
    async def chunks() -> Any:
        for _ in range(40):
            yield b"x" * 10_000

    assert slug(await send(house, content=b"x" * 210_000)) == (413, "too-large")
    async with house.client() as client:
        headers = {"content-type": "multipart/form-data; boundary=b"}
        form = await client.post("/yolo/detect", content=chunks(), headers=headers)
        headers = {"content-type": "application/json"}
        body = await client.post("/yolo/detect", content=chunks(), headers=headers)
    assert slug(body) == (413, "too-large")
    assert form.status_code in (400, 413)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b"[]", 422),
        (b'{"image_url": "http://127.0.0.1/x.jpg", "model": "yolov8s"}', 422),
        (b'{"image_url": "http://127.0.0.1/x.jpg", "model": "yolov8q"}', 404),
        (b'{"image_url": "http://x/", "model": "yolov8s", "image_size": 640}', 422),
        (b'{"model": "yolov8s"}', 422),
        (b'{"image_url": "http://x/", "model": "yolov8s", "img_size": true}', 422),
        (b'{"image_url": "http://x/", "model": "yolov8s", "img_size": null}', 422),
    ],
)
async def test_bad_json_bodies_say_what_is_wrong(house: House, body: bytes, status: int) -> None:
    async with house.client() as client:
        response = await client.post(
            "/yolo/detect", content=body, headers={"content-type": "application/json"}
        )
    assert response.status_code == status
    assert response.json()["detail"]


async def test_other_kinds_of_body_are_415(house: House) -> None:
    async with house.client() as client:
        assert (await client.post("/yolo/detect", content=b"x")).status_code == 415
        text = await client.post("/yolo/detect", data={"image": "x"}, files={"model": b"m"})
    assert slug(text) == (422, "invalid-request")


async def test_a_trace_goes_with_the_frame_and_nonsense_does_not(house: House) -> None:
    good = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    await send(house, headers={"traceparent": good})
    await send(house, headers={"traceparent": "nonsense"})
    assert [frame.traceparent for frame in house.detector.frames] == [good, None]
