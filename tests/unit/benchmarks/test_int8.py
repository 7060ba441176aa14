"""How int8 is compared with float."""

from pathlib import Path

import numpy as np

from benchmarks.bare import Bare
from benchmarks.int8 import Made, Placed, compare, fit
from benchmarks.pictures import CAMERA
from benchmarks.subject import Subject
from cli.demo.plan import park_model
from pipeline.encode import letterbox
from samples.stage import Seen


def bare(speed: float, engine: str) -> Bare:
    """Return a bare engine of this speed."""
    return Bare(
        engine=engine,
        batch_size=8,
        callers=1,
        images_per_second=speed,
        decoded_per_second=speed,
    )


def made(*, before: float, after: float) -> Made:
    """Return an int8 model of this AP50."""
    subject = Subject(
        spec=park_model(), camera=CAMERA, checkpoint=Path(), packed=(), weights="trained"
    )
    return Made(subject=subject, recipe="fast", float_ap50=before, int8_ap50=after)


def test_medians_of_both_are_compared() -> None:
    turns = [
        (bare(100, "openvino-bf16"), bare(140, "openvino-int8")),
        (bare(110, "openvino-bf16"), bare(154, "openvino-int8")),
    ]
    found = compare(turns, made(before=0.80, after=0.795))
    assert found["int8_to_float"] == 1.4
    assert found["ap50_loss"] == 0.005
    assert found["accepted"] is True
    assert found["exact"] is True


def test_a_model_that_loses_a_hundredth_is_not_accepted() -> None:
    assert not made(before=0.80, after=0.789).is_accepted
    assert made(before=0.80, after=0.81).is_accepted


def test_int8_that_ran_as_float_is_not_exact() -> None:
    turns = [(bare(100, "openvino-bf16"), bare(100, "openvino-bf16"))]
    assert compare(turns, made(before=0.8, after=0.8))["exact"] is False


def test_truth_moves_with_its_picture() -> None:
    fitted = letterbox(np.zeros((240, 640, 3), dtype=np.uint8), 384, 512)
    there = Seen(class_id=2, track=1, x1=0, y1=0, x2=640, y2=240)
    assert fit(there, fitted) == Placed(class_id=2, x1=0.0, y1=96.0, x2=512.0, y2=288.0)
