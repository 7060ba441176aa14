"""The fake engine repeats itself and reads its latency."""

import numpy as np
import pytest

from consumers.detector.engines.fake import FakeEngine, parse_latency
from wire.errors import Misconfigured


def test_the_same_pixels_give_the_same_objects() -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (16, 32, 32, 3), dtype=np.uint8)
    first, second = FakeEngine().infer(pictures), FakeEngine().infer(pictures[::-1].copy())
    assert first == second[::-1]
    assert len(set(first)) > 1


@pytest.mark.parametrize(
    ("kind", "expected"), [("fake", (0, 0)), ("fake:5", (5, 5)), ("fake:5-20", (5, 20))]
)
def test_latency_is_part_of_the_name(kind: str, expected: tuple[float, float]) -> None:
    assert parse_latency(kind) == expected


@pytest.mark.parametrize("kind", ["fake:x", "fake:20-5", "fake:-1", "fake:1-2-3"])
def test_a_latency_that_makes_no_sense_is_misconfigured(kind: str) -> None:
    with pytest.raises(Misconfigured, match="engine"):
        parse_latency(kind)
