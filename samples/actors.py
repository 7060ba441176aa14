"""Who walks, rides and drives through a drawn park, where and when.

The ground is a plane in metres: x to the right of the camera, z away from it. Everyone moves in
a straight line at a steady speed, so that where they are is a pure function of time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from samples.figures import BICYCLE, CAR, DOG, PERSON, RIDER, Figure, Look, random_look

WARM_UP_S = 30.0
"""How long the park has been busy when the first frame is drawn."""

NEAR_M, FAR_M = 7.2, 13.0
"""Between these people walk: nearer they leave the picture, farther they get too small to see."""
DOG_FAR_M = 10.5
"""Farther away a dog is too small."""
CYCLE_M = (8.0, 10.5)
ROAD_M = (14.5, 16.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A level pinhole camera above the plane."""

    width: int
    height: int
    horizon_px: float
    focal_px: float
    above_ground_m: float

    def scale_px(self, z_m: float) -> float:
        """Return the pixels of one metre at a depth."""
        return self.focal_px / z_m

    def project(self, x_m: float, z_m: float) -> tuple[float, float]:
        """Return the pixel, x and y, of a point on the ground."""
        scale = self.scale_px(z_m)
        return self.width / 2 + x_m * scale, self.horizon_px + self.above_ground_m * scale

    def half_width_m(self, z_m: float) -> float:
        """Return how far from the middle the picture reaches at a depth."""
        return self.width / 2 / self.scale_px(z_m)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """One figure with its looks and its way."""

    track: int
    figure: Figure
    look: Look
    height_m: float
    texture: NDArray[np.float32]
    start_m: tuple[float, float]
    velocity_mps: tuple[float, float]
    enters_s: float
    leaves_s: float

    @property
    def facing(self) -> int:
        """Return 1 when it moves to the right, else -1."""
        return 1 if self.velocity_mps[0] >= 0 else -1

    def position_m(self, time_s: float) -> tuple[float, float]:
        """Return x and z."""
        age_s = time_s - self.enters_s
        return (
            self.start_m[0] + self.velocity_mps[0] * age_s,
            self.start_m[1] + self.velocity_mps[1] * age_s,
        )

    def phase(self, time_s: float) -> float:
        """Return the angle of its gait or wheels: one turn per stride."""
        way_m = abs(self.velocity_mps[0]) + abs(self.velocity_mps[1])
        return 2 * np.pi * way_m * (time_s - self.enters_s) / self.figure.stride_m + self.track


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    start_m: tuple[float, float]
    velocity_mps: tuple[float, float]
    enters_s: float
    leaves_s: float

    def beside(self, *, ahead_m: float, nearer_m: float) -> "_Way":
        """Return the same way for a companion."""
        sign = 1 if self.velocity_mps[0] >= 0 else -1
        x_m, z_m = self.start_m
        return replace(self, start_m=(x_m + sign * ahead_m, z_m - nearer_m))


def random_cast(rng: np.random.Generator, camera: Camera, seconds: float) -> list[Actor]:
    """Choose everyone who passes in `seconds`, in the order in which they enter."""
    arrivals = [
        *_walkers(rng, camera, seconds),
        *_dog_walkers(rng, camera, seconds),
        *_cyclists(rng, camera, seconds),
        *_cars(rng, camera, seconds),
    ]
    arrivals.sort(key=lambda arrival: arrival[1].enters_s)
    visible = [arrival for arrival in arrivals if arrival[1].leaves_s > 0]
    return [_actor(rng, track, figure, way) for track, (figure, way) in enumerate(visible, 1)]


def _walkers(
    rng: np.random.Generator, camera: Camera, seconds: float
) -> Iterator[tuple[Figure, _Way]]:
    for enters_s in _times(rng, seconds, every_s=4.5):
        way = _stroll(rng, camera, enters_s, FAR_M)
        yield PERSON, way
        if rng.random() < 0.3:
            yield PERSON, way.beside(ahead_m=float(rng.uniform(-0.9, -0.6)), nearer_m=0.3)


def _dog_walkers(
    rng: np.random.Generator, camera: Camera, seconds: float
) -> Iterator[tuple[Figure, _Way]]:
    for enters_s in _times(rng, seconds, every_s=9.0):
        way = _stroll(rng, camera, enters_s, DOG_FAR_M)
        yield PERSON, way
        yield DOG, way.beside(ahead_m=float(rng.uniform(1.1, 1.6)), nearer_m=0.4)


def _cyclists(
    rng: np.random.Generator, camera: Camera, seconds: float
) -> Iterator[tuple[Figure, _Way]]:
    for enters_s in _times(rng, seconds, every_s=7.0):
        depth_m = float(rng.uniform(*CYCLE_M))
        way = _crossing(
            camera, enters_s, (depth_m, depth_m), float(rng.uniform(2.0, 3.5)) * _side(rng)
        )
        yield BICYCLE, way
        yield RIDER, way.beside(ahead_m=0.0, nearer_m=0.01)


def _cars(
    rng: np.random.Generator, camera: Camera, seconds: float
) -> Iterator[tuple[Figure, _Way]]:
    for enters_s in _times(rng, seconds, every_s=6.0):
        side = _side(rng)
        lane_m = ROAD_M[0] if side < 0 else ROAD_M[1]
        yield CAR, _crossing(camera, enters_s, (lane_m, lane_m), float(rng.uniform(3, 5)) * side)


def _stroll(rng: np.random.Generator, camera: Camera, enters_s: float, far_m: float) -> _Way:
    depths_m = (float(rng.uniform(NEAR_M, far_m)), float(rng.uniform(NEAR_M, far_m)))
    return _crossing(camera, enters_s, depths_m, float(rng.uniform(0.9, 1.5)) * _side(rng))


def _times(rng: np.random.Generator, seconds: float, every_s: float) -> Iterator[float]:
    time_s = -WARM_UP_S
    while (time_s := time_s + float(rng.uniform(0.4, 1.6)) * every_s) < seconds:
        yield time_s


def _side(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def _crossing(
    camera: Camera, enters_s: float, depths_m: tuple[float, float], speed_mps: float
) -> _Way:
    """Cross the whole picture, from one depth to another, starting and ending out of sight."""
    reach_m = camera.half_width_m(max(depths_m)) + 2.5
    lasts_s = 2 * reach_m / abs(speed_mps)
    return _Way(
        start_m=(-reach_m if speed_mps > 0 else reach_m, depths_m[0]),
        velocity_mps=(speed_mps, (depths_m[1] - depths_m[0]) / lasts_s),
        enters_s=enters_s,
        leaves_s=enters_s + lasts_s,
    )


def _actor(rng: np.random.Generator, track: int, figure: Figure, way: _Way) -> Actor:
    return Actor(
        track=track,
        figure=figure,
        look=random_look(rng),
        height_m=figure.height_m * float(rng.uniform(0.94, 1.06)),
        texture=_texture(rng),
        start_m=way.start_m,
        velocity_mps=way.velocity_mps,
        enters_s=way.enters_s,
        leaves_s=way.leaves_s,
    )


def _texture(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return what is added to a figure's colours: blotches, and light from above."""
    blotches = rng.normal(0, float(rng.uniform(2, 10)), (16, 10))
    from_above = np.linspace(float(rng.uniform(0, 25)), -float(rng.uniform(0, 25)), 16)
    return (blotches + from_above[:, None]).astype(np.float32)
