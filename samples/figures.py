"""How a person, a bicycle, its rider, a car and a dog are drawn, from the side.

Proportions are those of the drawings on which the demo model was trained: change them and it
sees less. All lengths are in units of the figure's height; `phase` is the angle of the gait, or
of the wheels, in radians.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from samples.canvas import Canvas, Colour, Point

TYRE: Colour = (25, 25, 25)
SPOKE: Colour = (130, 130, 130)
LAMP: Colour = (160, 230, 250)
COATS: tuple[Colour, ...] = (
    (30, 32, 38),
    (35, 60, 120),
    (45, 80, 165),
    (90, 130, 180),
    (75, 140, 195),
)
"""Of dogs; each stands out from lawn and path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The colours of one figure, the same for its whole life."""

    main: Colour
    second: Colour
    skin: Colour
    hair: Colour
    coat: Colour
    glass: Colour
    bare_arms: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What can be drawn: its class, how tall it is in metres, how wide in its own heights."""

    class_id: int
    height_m: float
    width: float
    stride_m: float
    draw: Callable[[Canvas, Look, float], None]


def random_look(rng: np.random.Generator) -> Look:
    """Choose the colours of a figure."""
    grey = int(rng.integers(60, 160))
    return Look(
        main=_colour(rng, 20, 235),
        second=_colour(rng, 10, 160),
        skin=(int(rng.integers(60, 190)), int(rng.integers(90, 205)), int(rng.integers(120, 235))),
        hair=_colour(rng, 5, 120),
        coat=COATS[int(rng.integers(len(COATS)))],
        glass=(grey, grey, grey),
        bare_arms=bool(rng.random() < 0.5),
    )


def draw_person(canvas: Canvas, look: Look, phase: float) -> None:
    """Draw someone walking."""
    swing = math.sin(phase) * 0.13
    hip, shoulder = (0.0, 0.47), (0.0, 0.80)
    for side in (1, -1):
        knee, foot = (side * swing * 0.6, 0.24), (side * swing, 0.01)
        _leg(canvas, look, hip, knee, foot)
    for side in (1, -1):
        elbow = (-side * swing * 0.8 + side * 0.05, 0.62)
        hand = (-side * swing * 1.1 + side * 0.04, 0.48)
        _arm(canvas, look, shoulder, elbow, hand)
    canvas.ellipse((0, 0.64), (0.10, 0.20), look.main)
    _head(canvas, look, 0.0)


def draw_rider(canvas: Canvas, look: Look, phase: float) -> None:
    """Draw someone sitting on a bicycle that `draw_bicycle` has drawn at the same place."""
    hip, shoulder = (-0.08, 0.45), (0.0, 0.78)
    for side in (1, -1):
        foot = (-0.02 + side * 0.07 * math.cos(phase), 0.16 - side * 0.07 * math.sin(phase))
        knee = ((hip[0] + foot[0]) / 2 + 0.09, (hip[1] + foot[1]) / 2)
        _leg(canvas, look, hip, knee, foot)
    _arm(canvas, look, shoulder, (0.10, 0.60), (0.19, 0.50))
    canvas.line(hip, (shoulder[0], shoulder[1] - 0.06), look.main, 0.16)
    _head(canvas, look, 0.03)


def draw_bicycle(canvas: Canvas, look: Look, phase: float) -> None:
    """Draw a bicycle without its rider."""
    radius, thick = 0.34, 0.045
    rear, front = (-1.25 * radius, radius), (1.25 * radius, radius)
    for hub in (rear, front):
        canvas.ring(hub, radius, TYRE, thick)
        for spoke in range(6):
            angle = phase + spoke
            tip = (hub[0] + radius * math.cos(angle), hub[1] - radius * math.sin(angle))
            canvas.line(hub, tip, SPOKE, 0)
    crank, seat, head = (-0.034, 0.306), (-0.153, 0.714), (0.289, 0.765)
    for start, end in (
        (crank, seat),
        (seat, head),
        (crank, head),
        (crank, rear),
        (seat, rear),
        (head, front),
    ):
        canvas.line(start, end, look.main, thick)
    canvas.line((seat[0] - 0.085, 0.74), (seat[0] + 0.068, 0.74), TYRE, thick * 1.4)
    canvas.line((head[0] - 0.02, 0.867), (head[0] + 0.102, 0.884), (30, 30, 30), thick)


def draw_car(canvas: Canvas, look: Look, phase: float) -> None:
    """Draw a car; its wheels show no spokes, so the phase does not matter."""
    left, right = -1.175, 1.175
    canvas.polygon([(left, 0.62), (right, 0.62), (right, 0.15), (left, 0.15)], look.main)
    roof = [(-0.752, 0.60), (-0.47, 1.0), (0.47, 1.0), (0.846, 0.60)]
    canvas.polygon(roof, _darker(look.main, 0.85))
    canvas.polygon([(-0.611, 0.62), (-0.40, 0.94), (-0.047, 0.94), (-0.047, 0.62)], look.glass)
    canvas.polygon([(0.047, 0.62), (0.047, 0.94), (0.40, 0.94), (0.682, 0.62)], look.glass)
    for hub in ((-0.705, 0.17), (0.705, 0.17)):
        canvas.disc(hub, 0.17, (20, 20, 20))
        canvas.disc(hub, 0.08, (150, 150, 150))
    canvas.polygon([(1.06, 0.50), (1.17, 0.50), (1.17, 0.40), (1.06, 0.40)], LAMP)


def draw_dog(canvas: Canvas, look: Look, phase: float) -> None:
    """Draw a dog walking."""
    coat = look.coat
    canvas.ellipse((0, 0.52), (0.459, 0.20), coat)
    for leg, x in enumerate((-0.365, -0.27, 0.27, 0.365)):
        paw = x + math.sin(phase + leg * 1.6) * 0.12
        canvas.line((x, 0.45), (paw, 0.0), coat, 0.09)
    canvas.disc((0.54, 0.80), 0.16, coat)
    canvas.ellipse((0.70, 0.76), (0.12, 0.07), coat)
    canvas.line((0.46, 0.90), (0.445, 1.0), coat, 0.08)
    canvas.line((-0.43, 0.60), (-0.675, 0.90), coat, 0.06)


PERSON = Figure(class_id=0, height_m=1.75, width=0.7, stride_m=1.5, draw=draw_person)
RIDER = Figure(class_id=0, height_m=1.75, width=0.7, stride_m=5.0, draw=draw_rider)
BICYCLE = Figure(class_id=1, height_m=1.05, width=1.7, stride_m=2.2, draw=draw_bicycle)
CAR = Figure(class_id=2, height_m=1.45, width=2.45, stride_m=1.6, draw=draw_car)
DOG = Figure(class_id=3, height_m=0.75, width=1.8, stride_m=0.7, draw=draw_dog)


def _leg(canvas: Canvas, look: Look, hip: Point, knee: Point, foot: Point) -> None:
    canvas.line(hip, knee, look.second, 0.085)
    canvas.line(knee, foot, look.second, 0.07)


def _arm(canvas: Canvas, look: Look, shoulder: Point, elbow: Point, hand: Point) -> None:
    canvas.line(shoulder, elbow, look.main, 0.06)
    canvas.line(elbow, hand, look.skin if look.bare_arms else look.main, 0.05)


def _head(canvas: Canvas, look: Look, x: float) -> None:
    canvas.disc((x, 0.91), 0.075, look.skin)
    canvas.ellipse((x, 0.93), (0.075, 0.06), look.hair, upper_half=True)


def _colour(rng: np.random.Generator, low: int, high: int) -> Colour:
    """Choose a colour; green never leads, or people would vanish on the lawn."""
    blue, green, red = (int(value) for value in rng.integers(low, high, 3))
    return (blue, red, green) if green > red else (blue, green, red)


def _darker(colour: Colour, factor: float) -> Colour:
    blue, green, red = (int(value * factor) for value in colour)
    return blue, green, red
