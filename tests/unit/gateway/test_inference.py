"""What was found comes home to the image's own pixels; what does not fit is refused in words."""

import cv2
import msgspec
import numpy as np
import pytest

from gateway import inference
from gateway.inference import InferenceLimits, fit, home
from gateway.problems import ProblemRaised
from gateway.virtual_streams import LineKey
from pipeline.encode import letterbox
from wire.detections import DetectedObject
from wire.frames import Tier
from wire.slicing import Slices

LINE = LineKey(
    account="a",
    model="m",
    height=320,
    width=320,
    tier=Tier.STANDARD,
    slices=Slices(rows=2, columns=2, overlap=0.5),
)
LIMITS = InferenceLimits(pixels_max=1_000_000, max_age_ms=1, jpeg_quality=95, decoders_max=1)


def test_every_member_of_an_object_comes_home() -> None:
    # 100x200 in 320x320: scale 1.6, 80 px of grey above.
    fitted = letterbox(np.zeros((100, 200, 3), np.uint8), 320, 320)
    found = DetectedObject(
        class_id=3,
        class_name="dog",
        confidence=0.5,
        box=(16.0, 96.0, 32.0, 112.0),
        mask=((16.0, 96.0), (32.0, 96.0), (32.0, 40.0)),
        keypoints=((16.0, 96.0, 0.9), (0.0, 0.0, 0.0)),
        corners=((16.0, 96.0), (32.0, 96.0), (32.0, 112.0), (-16.0, 64.0)),
    )
    assert home(found, fitted) == DetectedObject(
        class_id=3,
        class_name="dog",
        confidence=0.5,
        box=(10.0, 10.0, 20.0, 20.0),
        mask=((10.0, 10.0), (20.0, 10.0), (20.0, 0.0)),
        keypoints=((10.0, 10.0, 0.9), (0.0, 0.0, 0.0)),
        corners=((10.0, 10.0), (20.0, 10.0), (20.0, 20.0), (-10.0, -10.0)),
    )
    members = msgspec.structs.fields(DetectedObject)
    assert len(members) == 7, "a new member with pixels in it must be mapped, too"


def test_an_image_that_is_too_large_once_it_is_sliced_says_what_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (480, 480, 3), np.uint8)
    image = cv2.imencode(".png", noise)[1].tobytes()
    monkeypatch.setattr(inference, "PICTURE_BYTES_MAX", 100_000)
    with pytest.raises(ProblemRaised, match=r"480x480 .* smaller img_size or fewer slices"):
        fit(image, LINE, LIMITS)
