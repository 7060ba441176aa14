"""The motion gate keeps back what shows nothing new, and nothing else."""

from collections.abc import Iterable
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.encode import Picture, decode_jpeg, encode_jpeg
from pipeline.motion import STILL_S_MAX, Gate, changed_share, sight_of
from samples.actors import Actor
from samples.catalog import FOOTAGE
from samples.figures import PERSON, random_look
from samples.scenes import build_stage
from samples.stage import Stage, play

SHARE = 0.002
FPS = 10.0
WIDTH, HEIGHT = 640, 360
SEEDS = (1, 2)


def park(seed: int, *cast: Actor) -> Stage:
    """Return a drawn park with a sensor's noise, and nobody in it but the cast."""
    stage = build_stage(seed=seed, seconds=1, width=WIDTH, height=HEIGHT)
    return replace(stage, cast=list(cast))


def walker(seed: int) -> Actor:
    """Return a small figure that walks across, about 2 % of the width wide."""
    rng = np.random.default_rng(seed)
    return Actor(
        track=1,
        figure=PERSON,
        look=random_look(rng),
        height_m=0.9,
        texture=np.zeros((1, 1), np.float32),
        start_m=(-3.0, 13.0),
        velocity_mps=(1.2, 0.0),
        enters_s=0.0,
        leaves_s=60.0,
    )


def published(pictures: Iterable[Picture], *, seconds_apart: float = 1 / FPS) -> list[int]:
    """Return which of the pictures a gate lets through, when each is published that passes."""
    gate, passed = Gate(share=SHARE, fps=FPS), []
    for index, picture in enumerate(pictures):
        sight, now = sight_of(picture), 7.0 + index * seconds_apart
        if gate.passes(sight, now):
            gate.published(sight, now)
            passed.append(index)
    return passed


def footage(count: int) -> list[Picture]:
    """Return the first pictures of the real footage."""
    with av.open(str(FOOTAGE)) as container:
        frames = container.decode(video=0)
        return [next(frames).to_ndarray(format="bgr24") for _ in range(count)]


def lit(picture: Picture, gain: float, offset: NDArray[np.float32] | float) -> Picture:
    """Return the picture in another light."""
    return np.clip(picture * gain + offset, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_still_scene_gives_one_picture_in_ten_seconds_whatever_its_noise(seed: int) -> None:
    stage = park(seed)
    passed = published(play(stage, frame, frame / FPS)[0] for frame in range(101))
    assert passed == [0, 100]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_walking_figure_of_2_percent_of_the_width_passes_at_least_once_a_second(
    seed: int,
) -> None:
    stage = park(seed, walker(seed))
    drawn = [play(stage, frame, frame / FPS) for frame in range(60)]
    widths = [box.x2 - box.x1 for _, seen in drawn for box in seen]
    assert len(widths) == 60 and np.mean(widths) <= 0.021 * WIDTH
    passed = published(picture for picture, _ in drawn)
    assert max(np.diff([*passed, 59])) <= 10


def test_light_that_comes_and_goes_is_not_motion() -> None:
    scene = play(park(1), 0, 0.0)[0] // 2 + 40  # no cell is white already
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None, None]
    for gain, offset in ((0.7, 0.0), (1.3, 4.0), (1.0, 30.0), (1.1, -20.0)):
        assert changed_share(sight_of(scene), sight_of(lit(scene, gain, offset))) < SHARE
    bands = [8 * np.sin(rows / HEIGHT * 19 + turn) for turn in range(6)]
    assert published(lit(scene, 1.0, band) for band in bands) == [0]


def test_what_compression_makes_of_a_still_scene_is_not_motion() -> None:
    (real,) = footage(1)
    noise = np.random.default_rng(3)
    grainy = [lit(real, 1.0, noise.normal(0, 8, real.shape)) for _ in range(8)]
    packed = [decode_jpeg(encode_jpeg(picture, 40 + 7 * n)) for n, picture in enumerate(grainy)]
    assert published(packed) == [0]


def test_people_in_real_footage_pass() -> None:
    assert len(published(footage(40)[::4])) >= 9


def test_what_moved_while_pictures_were_kept_back_adds_up() -> None:
    scene = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    scene[::7, ::5] = 140
    creeping = []
    for step in range(60):
        picture = scene.copy()
        cv2.rectangle(picture, (200 + step // 3, 150), (213 + step // 3, 190), (220, 220, 220), -1)
        creeping.append(picture)
    passed = published(creeping)
    assert 2 <= len(passed) <= 20


def test_a_covered_or_turned_camera_and_another_size_pass() -> None:
    before = play(park(2), 0, 0.0)[0]
    black, turned = np.zeros_like(before), before[:, ::-1]
    for after in (black, turned, before[: HEIGHT // 2]):
        assert changed_share(sight_of(before), sight_of(np.ascontiguousarray(after))) > 0.1


def test_without_a_picture_that_surely_arrived_everything_passes() -> None:
    gate, sight = Gate(share=SHARE, fps=FPS), sight_of(park(0).background)
    assert gate.passes(sight, 0.0) and gate.passes(sight, 0.1)  # none was published
    gate.published(sight, 0.2)
    assert not gate.passes(sight, 0.3)
    gate.forget()
    assert gate.passes(sight, 0.4)


def test_ten_seconds_count_by_the_clock_or_by_the_pictures_of_a_file() -> None:
    sight = sight_of(park(0).background)
    slow, fast = Gate(share=SHARE, fps=FPS), Gate(share=SHARE, fps=0.5)
    for gate in (slow, fast):
        gate.published(sight, 0.0)
    assert [slow.passes(sight, now) for now in (5.0, STILL_S_MAX)] == [False, True]
    assert [fast.passes(sight, 0.0) for _ in range(5)] == [False, False, False, False, True]


@pytest.mark.parametrize("size", [(1, 1), (2, 3000), (3000, 2), (48, 64)])
def test_any_size_of_picture_can_be_seen(size: tuple[int, int]) -> None:
    sight = sight_of(np.full((*size, 3), 77, np.uint8))
    assert changed_share(sight, sight) == 0.0
