"""Puts the actors into the park, from far to near, and says which of them can be seen.

The truth is what was drawn: a box is the figure's own outline cut off at the picture's edge,
given only while at least a quarter of the figure is neither hidden nor outside.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.actors import Actor, Camera
from samples.canvas import Canvas, Pixels
from samples.park import Light

VISIBLE_MIN = 0.25
SIDE_MIN_PX = 9
_SOLID = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One visible object of a frame: class, track and box in pixels, edges exclusive."""

    class_id: int
    track: int
    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything of a scene that does not depend on the time."""

    camera: Camera
    background: Pixels
    light: Light
    cast: list[Actor]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sprite:
    actor: Actor
    pixels: Pixels
    solid_px: int
    left: int
    top: int


def play(stage: Stage, frame: int, time_s: float) -> tuple[Pixels, list[Seen]]:
    """Draw one frame; return the BGR picture and what is visible in it."""
    picture = stage.background.copy()
    owner = np.zeros(picture.shape[:2], np.int32)
    placed = []
    for actor in _far_to_near(stage.cast, time_s):
        sprite = _sprite(actor, stage.camera, time_s)
        box = _paint(sprite, picture, owner)
        if box is not None:
            placed.append((sprite, box))
    seen = [truth for sprite, box in placed if (truth := _truth(sprite, box, owner))]
    return stage.light.fall_on(picture, frame), sorted(seen, key=lambda one: one.track)


def _far_to_near(cast: list[Actor], time_s: float) -> list[Actor]:
    present = [actor for actor in cast if actor.enters_s <= time_s < actor.leaves_s]
    return sorted(present, key=lambda actor: -actor.position_m(time_s)[1])


def _sprite(actor: Actor, camera: Camera, time_s: float) -> _Sprite:
    x_m, z_m = actor.position_m(time_s)
    x, y = camera.project(x_m, z_m)
    canvas = Canvas(
        height_px=actor.height_m * camera.scale_px(z_m),
        width=actor.figure.width,
        facing=actor.facing,
        offset=(x % 1, y % 1),
    )
    actor.figure.draw(canvas, actor.look, actor.phase(time_s))
    solid_px = int(np.count_nonzero(canvas.pixels[..., 3] >= _SOLID))
    left, top = int(x // 1) - canvas.anchor[0], int(y // 1) - canvas.anchor[1]
    pixels = _textured(canvas.pixels, actor.texture)
    return _Sprite(actor=actor, pixels=pixels, solid_px=solid_px, left=left, top=top)


def _textured(pixels: Pixels, texture: NDArray[np.float32]) -> Pixels:
    rows, columns = pixels.shape[:2]
    alpha = pixels[..., 3:].astype(np.float32) / 255
    grain = cv2.resize(texture, (columns, rows), interpolation=cv2.INTER_LINEAR)[..., None]
    textured = pixels.copy()
    textured[..., :3] = np.clip(pixels[..., :3] + grain * alpha, 0, 255 * alpha)
    return textured


def _paint(
    sprite: _Sprite, picture: Pixels, owner: NDArray[np.int32]
) -> tuple[int, int, int, int] | None:
    """Paint a figure and its shadow; return its box inside the picture, None when outside."""
    height, width = owner.shape
    x1, y1 = max(0, sprite.left), max(0, sprite.top)
    x2 = min(width, sprite.left + sprite.pixels.shape[1])
    y2 = min(height, sprite.top + sprite.pixels.shape[0])
    if x1 >= x2 or y1 >= y2:
        return None
    _darken_ground(sprite, picture)
    part = sprite.pixels[y1 - sprite.top : y2 - sprite.top, x1 - sprite.left : x2 - sprite.left]
    through = 1 - part[..., 3:].astype(np.float32) / 255
    region = picture[y1:y2, x1:x2]
    region[:] = region * through + part[..., :3]
    solid = part[..., 3] >= _SOLID
    owner[y1:y2, x1:x2][solid] = sprite.actor.track
    return _bounds(solid, x1, y1)


def _bounds(solid: NDArray[np.bool_], left: int, top: int) -> tuple[int, int, int, int] | None:
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if not rows.size:
        return None
    return (
        left + int(columns[0]),
        top + int(rows[0]),
        left + int(columns[-1]) + 1,
        top + int(rows[-1]) + 1,
    )


def _darken_ground(sprite: _Sprite, picture: Pixels) -> None:
    """Draw the shadow: a flat ellipse below the feet, where the ground keeps 60 % of its light."""
    rows, columns = sprite.pixels.shape[:2]
    flat = max(2, rows // 18)
    shade = np.ones((2 * flat + 1, columns), np.float32)
    cv2.ellipse(shade, (columns // 2, flat), (columns // 4, flat), 0, 0, 360, (0.6,), -1)
    top = sprite.top + rows - 4 - flat
    x1, x2 = max(0, sprite.left), min(picture.shape[1], sprite.left + columns)
    y1, y2 = max(0, top), min(picture.shape[0], top + shade.shape[0])
    if x1 < x2 and y1 < y2:
        part = shade[y1 - top : y2 - top, x1 - sprite.left : x2 - sprite.left, None]
        picture[y1:y2, x1:x2] = picture[y1:y2, x1:x2] * part


def _truth(
    sprite: _Sprite, box: tuple[int, int, int, int], owner: NDArray[np.int32]
) -> Seen | None:
    x1, y1, x2, y2 = box
    visible_px = np.count_nonzero(owner[y1:y2, x1:x2] == sprite.actor.track)
    if visible_px < VISIBLE_MIN * sprite.solid_px or min(x2 - x1, y2 - y1) < SIDE_MIN_PX:
        return None
    return Seen(
        class_id=sprite.actor.figure.class_id,
        track=sprite.actor.track,
        x1=x1,
        y1=y1,
        x2=x2,
        y2=y2,
    )
