"""Cameras from a TOML file: what is taken, and what is said about what is not."""

from pathlib import Path

import pytest

from cli.streamfile import parse_size, read
from wire.errors import Rejected
from wire.frames import Tier
from wire.slicing import Slices

GOOD = """
[[model]]
model = "yolov8s"
source = "yolov8s.pt"
size_class = "s"

[[stream]]
stream = "gate"
source = "rtsp://camera/1"
model = "yolov8s"
fps = 5
size = "384x640"
tier = "priority"

[[stream]]
stream = "pond"
account = "lake"
source = "pond.mp4"
model = "yolov8s"
fps = 2.5
size = 640
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "cameras.toml"
    path.write_text(text)
    return path


def test_streams_and_models_are_read_with_their_defaults(tmp_path: Path) -> None:
    (tmp_path / "pond.mp4").touch()
    content = read(write(tmp_path, GOOD), account="park")
    gate, pond = content.streams
    assert (gate.account, gate.height, gate.width, gate.tier) == ("park", 384, 640, Tier.PRIORITY)
    assert (pond.account, pond.height, pond.width, pond.fps) == ("lake", 640, 640, 2.5)
    assert content.models[0].size_class == "s"


@pytest.mark.parametrize("written", ['"2x3x0.25"', "[2, 3, 0.25]"])
def test_slices_and_motion_are_options_of_a_stream(tmp_path: Path, written: str) -> None:
    text = GOOD.replace('tier = "priority"', f"slices = {written}\nmotion = 0.002")
    gate, pond = read(write(tmp_path, text), account="park").streams
    assert (gate.slices, gate.motion) == (Slices(rows=2, columns=3, overlap=0.25), 0.002)
    assert (pond.slices, pond.motion) == (None, 0.0)


def test_a_file_beside_the_toml_is_found_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "pond.mp4").touch()
    content = read(write(tmp_path, GOOD), account="park")
    assert content.streams[1].source == str((tmp_path / "pond.mp4").resolve())
    assert content.streams[0].source == "rtsp://camera/1"
    assert content.models[0].source == "yolov8s.pt"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("fps = 5", 'fps = "often"'), "fps"),
        (("fps = 5", "fps = 0"), "fps"),
        (('size = "384x640"', 'size = "wide"'), "HEIGHTxWIDTH"),
        (('size = "384x640"', 'size = "380x640"'), "multiples of 32"),
        (('stream = "gate"', 'stream = "Gate 1"'), "not allowed"),
        (('stream = "gate"', 'stream = "api.gate"'), "belong to gateways"),
        (('stream = "gate"', 'stream = "pond"'), "twice"),
        (('tier = "priority"', 'colour = "red"'), "colour"),
        (('tier = "priority"', 'slices = "9x9"'), "1 to 8"),
        (('tier = "priority"', 'slices = "large"'), "ROWSxCOLUMNSxOVERLAP"),
        (('tier = "priority"', 'slices = [2, "b"]'), "slices"),
        (('tier = "priority"', "motion = 1.5"), "motion"),
        (('source = "rtsp://camera/1"', ""), "source"),
        (('size_class = "s"', 'size_class = "huge"'), "size class"),
        (("[[stream]]", "[[streem]]"), "no \\[\\[stream\\]\\]"),
        (("[[model]]", "[[model"), "cannot read streams"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    with pytest.raises(Rejected, match=says):
        read(write(tmp_path, GOOD.replace(*change)), account="park")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"missing\.toml"):
        read(tmp_path / "missing.toml", account="park")


def test_one_number_is_a_square() -> None:
    assert parse_size("640") == (640, 640)
    assert parse_size("384X640") == (384, 640)
