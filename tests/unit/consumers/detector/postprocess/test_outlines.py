"""Outlines: what they enclose is the mask, few points, cut to the box, parts joined."""

import cv2
import numpy as np
import pytest

from consumers.detector.postprocess.outlines import POINTS_MAX, Outline, outline_of, trace

HEIGHT, WIDTH, SCALE = 96, 128, 4
WHOLE = np.array([0, 0, WIDTH, HEIGHT], dtype=np.float32)


def smooth(seed: int) -> np.ndarray:  # type: ignore[type-arg]
    """Return prototypes [4, 24, 32] of soft hills."""
    hills = np.random.default_rng(seed).normal(size=(4, 5, 6)).astype(np.float32)
    shape = (WIDTH // SCALE, HEIGHT // SCALE)
    return np.stack([cv2.resize(hill, shape, interpolation=cv2.INTER_CUBIC) for hill in hills])


def expected(prototypes, weights, box):  # type: ignore[no-untyped-def]
    """Return the mask as Ultralytics makes it: combine all, enlarge all, cut."""
    logits = np.tensordot(weights, prototypes, axes=1)
    mask = cv2.resize(logits, (WIDTH, HEIGHT)) > 0
    x, y = np.arange(WIDTH), np.arange(HEIGHT)[:, None]
    return mask & (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])


def filled(outline: Outline, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:  # type: ignore[type-arg]
    room = np.zeros((height, width), dtype=np.uint8)
    return cv2.fillPoly(room, [np.array(outline, dtype=np.int32)], 1).astype(bool)


def overlap(one: np.ndarray, other: np.ndarray) -> float:  # type: ignore[type-arg]
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "box", [WHOLE, np.array([20.4, 9.7, 77.2, 61.1]), np.array([-9.0, 50.0, 44.0, 130.0])]
)
def test_an_outline_encloses_what_ultralytics_masks(seed: int, box: np.ndarray) -> None:  # type: ignore[type-arg]
    prototypes, weights = smooth(seed), np.array([1, -0.5, 0.3, 0.8], dtype=np.float32)
    mask = expected(prototypes, weights, box)
    # An outline has no holes: fill those of the mask too.
    parts, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    solid = cv2.drawContours(np.zeros(mask.shape, np.uint8), parts, -1, 1, -1).astype(bool)
    outline = outline_of(prototypes, weights, box.astype(np.float32), (SCALE, SCALE))
    assert 3 <= len(outline) <= POINTS_MAX
    assert overlap(filled(outline), solid) >= 0.9


def test_a_ragged_mask_keeps_its_shape_in_few_points() -> None:
    turns = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    radius = 180 + 12 * np.sin(60 * turns)
    star = np.stack((250 + radius * np.cos(turns), 250 + radius * np.sin(turns)), axis=1)
    mask = cv2.fillPoly(np.zeros((500, 500), np.uint8), [star.astype(np.int32)], 1)
    assert len(trace(mask)) <= POINTS_MAX
    assert overlap(filled(trace(mask), 500, 500), mask > 0) >= 0.9


def test_parts_are_one_outline() -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[5:30, 5:30] = mask[35:55, 40:70] = mask[10:20, 60:75] = 1
    assert overlap(filled(trace(mask), 60, 80), mask > 0) >= 0.97


def test_a_mask_without_a_pixel_in_its_box_has_no_outline() -> None:
    prototypes = -np.ones((1, 24, 32), dtype=np.float32)
    weights = np.ones(1, dtype=np.float32)
    assert outline_of(prototypes, weights, WHOLE, (SCALE, SCALE)) == ()
    outside = np.array([-30, -30, -2, -2], dtype=np.float32)
    assert outline_of(-prototypes, weights, outside, (SCALE, SCALE)) == ()
