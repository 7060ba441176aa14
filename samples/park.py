"""The park itself: what stands still behind the figures, and the light that falls on it all.

Colours are BGR. Everything is chosen once per scene from the generator that is passed in.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.actors import ROAD_M, Camera
from samples.canvas import Colour, Pixels

_NOISE_FRAMES = 8


def random_camera(rng: np.random.Generator, width: int, height: int) -> Camera:
    """Choose where the camera hangs and how far down it looks."""
    return Camera(
        width=width,
        height=height,
        horizon_px=height * float(rng.uniform(0.24, 0.34)),
        focal_px=width * 0.9,
        above_ground_m=float(rng.uniform(2.6, 3.1)),
    )


def draw_background(rng: np.random.Generator, camera: Camera) -> Pixels:
    """Draw sky, lawn, road, path, trees and furniture."""
    picture = _sky_and_lawn(rng, camera)
    _draw_trees(rng, picture, camera)
    _draw_path(rng, picture, camera)
    _draw_road(rng, picture, camera)
    _draw_furniture(rng, picture, camera)
    return picture


def _sky_and_lawn(rng: np.random.Generator, camera: Camera) -> Pixels:
    horizon = int(camera.horizon_px)
    picture = np.empty((camera.height, camera.width, 3), np.float32)
    picture[:horizon] = rng.uniform((170, 150, 120), (240, 215, 200))
    picture[horizon:] = rng.uniform((30, 115, 60), (60, 150, 105))
    for grain_px, strength in ((8, rng.uniform(2, 6)), (60, rng.uniform(3, 10))):
        picture += float(strength) * _clouds(rng, camera, grain_px)[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def _draw_road(rng: np.random.Generator, picture: Pixels, camera: Camera) -> None:
    """Draw the road, across the picture."""
    near_px, far_px = (
        int(camera.project(0, depth_m)[1]) for depth_m in (ROAD_M[0] - 1.2, ROAD_M[1] + 1.2)
    )
    cv2.rectangle(picture, (0, far_px), (camera.width, near_px), _grey(rng, 80, 120), -1)


def _draw_path(rng: np.random.Generator, picture: Pixels, camera: Camera) -> None:
    """Draw a path that leads away from the camera, under it to the horizon."""
    middle_m = float(rng.uniform(-3, 3))
    half_m = float(rng.uniform(1.0, 1.8))
    corners = [
        camera.project(middle_m - half_m, 4),
        camera.project(middle_m + half_m, 4),
        camera.project(middle_m + half_m, 200),
        camera.project(middle_m - half_m, 200),
    ]
    cv2.fillConvexPoly(picture, np.array(corners, np.int32), _grey(rng, 120, 180))


def _draw_trees(rng: np.random.Generator, picture: Pixels, camera: Camera) -> None:
    for _ in range(int(rng.integers(5, 12))):
        scale = camera.height / 360
        x = int(rng.uniform(0, camera.width))
        foot = int(camera.horizon_px + rng.uniform(-6, 25) * scale)
        tall = int(rng.uniform(60, 120) * scale)
        trunk = (30, 50, int(rng.uniform(60, 100)))
        cv2.rectangle(
            picture, (x - tall // 20, foot - tall // 2), (x + tall // 20, foot), trunk, -1
        )
        leaves = rng.uniform((10, 60, 20), (60, 120, 80))
        for _ in range(6):
            centre = (
                x + int(rng.uniform(-tall / 5, tall / 5)),
                foot - tall // 2 - int(rng.uniform(0, tall / 2)),
            )
            shade = np.clip(leaves + rng.uniform(-15, 15, 3), 0, 255)
            cv2.circle(picture, centre, int(rng.uniform(tall / 8, tall / 4)), shade.tolist(), -1)


def _draw_furniture(rng: np.random.Generator, picture: Pixels, camera: Camera) -> None:
    for draw in (_draw_bench, _draw_bin, _draw_bush):
        depth_m = float(rng.uniform(11.5, 13.5))
        x, y = camera.project(float(rng.uniform(-5, 5)), depth_m)
        metre = camera.scale_px(depth_m)
        draw(picture, int(x), int(y), metre)


def _draw_bench(picture: Pixels, x: int, y: int, metre: float) -> None:
    seat_px, wide_px, thick_px = int(0.45 * metre), int(1.6 * metre), max(2, int(0.1 * metre))
    cv2.rectangle(
        picture, (x, y - seat_px - thick_px), (x + wide_px, y - seat_px), (40, 70, 110), -1
    )
    for leg_px in (wide_px // 10, wide_px * 9 // 10):
        cv2.line(picture, (x + leg_px, y - seat_px), (x + leg_px, y), (30, 30, 30), 2)


def _draw_bin(picture: Pixels, x: int, y: int, metre: float) -> None:
    corner = (x + int(0.5 * metre), y)
    cv2.rectangle(picture, (x, y - int(0.8 * metre)), corner, (50, 70, 40), -1)


def _draw_bush(picture: Pixels, x: int, y: int, metre: float) -> None:
    radii = (int(0.5 * metre), int(0.4 * metre))
    cv2.ellipse(picture, (x, y), radii, 0, 0, 360, (25, 85, 30), -1)


def _grey(rng: np.random.Generator, low: int, high: int) -> Colour:
    value = int(rng.integers(low, high))
    return value, value, value + 8


def _clouds(rng: np.random.Generator, camera: Camera, grain_px: int) -> NDArray[np.float32]:
    """Return smooth noise of unit strength, in blotches of about grain_px."""
    small = (max(2, camera.height // grain_px), max(2, camera.width // grain_px))
    noise = rng.normal(0, 1, small).astype(np.float32)
    smooth = cv2.resize(noise, (camera.width, camera.height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """Brightness, contrast, uneven light and the sensor's noise of one scene."""

    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    noise: NDArray[np.float32]

    def fall_on(self, picture: Pixels, frame: int) -> Pixels:
        """Return what the camera's sensor makes of the picture."""
        noise = np.roll(self.noise[frame % _NOISE_FRAMES], 37 * frame, axis=1)
        lit = picture * self.gain + self.offset + noise[..., None]
        return np.asarray(np.clip(lit, 0, 255), np.uint8)


def random_light(rng: np.random.Generator, camera: Camera) -> Light:
    """Choose the light: mostly day, sometimes dusk."""
    dusk = rng.random() < 0.2
    gain = rng.uniform((0.8, 0.7, 0.65), (0.9, 0.8, 0.75)) if dusk else rng.uniform(0.85, 1.15)
    contrast = float(rng.uniform(0.95, 1.1))
    uneven = float(rng.uniform(0, 10)) * _clouds(rng, camera, 120)
    noise = rng.normal(0, float(rng.uniform(1, 4)), (_NOISE_FRAMES, camera.height, camera.width))
    return Light(
        gain=np.broadcast_to(np.asarray(gain * contrast, np.float32), (3,)),
        offset=(128 * (1 - contrast) + uneven)[..., None].astype(np.float32),
        noise=noise.astype(np.float32),
    )
