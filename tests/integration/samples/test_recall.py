"""How much the demo model sees of what we draw."""

from pathlib import Path

from samples.catalog import PARK_MODEL
from samples.recall import Detector, scene_tally
from samples.scenes import make_scene


def test_the_demo_model_sees_most_of_a_drawn_scene(tmp_path: Path) -> None:
    path = tmp_path / "park.mp4"
    make_scene(path, seed=7, seconds=20)
    tally = scene_tally(path, Detector(PARK_MODEL), every=10)
    assert tally.true.total() > 50
    assert tally.recall() >= 0.7
    assert tally.precision() >= 0.8
