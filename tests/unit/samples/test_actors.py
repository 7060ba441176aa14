"""Those who move through a drawn park."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from samples.actors import Actor, Camera, random_cast
from samples.park import random_camera


@given(seed=st.integers(0, 2**32 - 1))
def test_everyone_enters_and_leaves_out_of_sight(seed: int) -> None:
    rng = np.random.default_rng(seed)
    camera = random_camera(rng, 640, 360)
    for actor in random_cast(rng, camera, 20):
        assert not _in_sight(actor, camera, actor.enters_s)
        assert not _in_sight(actor, camera, actor.leaves_s)
        assert _in_sight(actor, camera, (actor.enters_s + actor.leaves_s) / 2)


@given(seed=st.integers(0, 2**32 - 1))
def test_tracks_are_numbered_from_one_in_the_order_of_entering(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cast = random_cast(rng, random_camera(rng, 640, 360), 20)
    assert [actor.track for actor in cast] == list(range(1, len(cast) + 1))
    assert [actor.enters_s for actor in cast] == sorted(actor.enters_s for actor in cast)


def test_a_point_twice_as_far_away_is_half_as_far_below_the_horizon() -> None:
    camera = Camera(width=640, height=360, horizon_px=100, focal_px=600, above_ground_m=3)
    assert camera.project(1, 10) == (320 + 60, 100 + 180)
    assert camera.project(1, 20) == (320 + 30, 100 + 90)


def _in_sight(actor: Actor, camera: Camera, time_s: float) -> bool:
    x_m, z_m = actor.position_m(time_s)
    half_figure_m = actor.figure.width * actor.height_m / 2
    return abs(x_m) - half_figure_m < camera.half_width_m(z_m)
