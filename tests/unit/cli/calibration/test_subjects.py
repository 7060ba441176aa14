"""What a name on the command line means: a registered model, a file, or an architecture."""

from pathlib import Path

import pytest

from cli.calibration.subjects import Subject, find, with_weights
from wire.errors import Rejected
from wire.models import ModelSpec

GATE = ModelSpec(model="gate", version="1", source="gate.pt", size_class="m", task="pose")


def one(name: str, folder: Path, size_class: str = "") -> Subject:
    """Return what a single name means where `gate` is registered."""
    (subject,) = find([name], {"gate": GATE}, folder=folder, size_class=size_class).values()
    return subject


def test_a_registered_model_is_measured_with_its_own_weights_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "gate.pt").touch()
    subject = one("gate", tmp_path)
    assert (subject.source, subject.size_class) == (str((tmp_path / "gate.pt").resolve()), "m")
    assert (subject.task, subject.random_weights) == ("pose", False)
    assert with_weights(subject, tmp_path / "cache") is subject


@pytest.mark.parametrize("name", ["yolov8n-seg", "yolov8n-seg.pt", "yolov8n-seg.yaml"])
def test_a_name_without_a_file_is_an_architecture_with_random_weights(
    name: str, tmp_path: Path
) -> None:
    subject = one(name, tmp_path)
    assert (subject.name, subject.source, subject.random_weights) == (
        "yolov8n-seg",
        "yolov8n-seg",
        True,
    )
    assert (subject.size_class, subject.task) == ("n", "segment")


def test_random_weights_are_made_once(tmp_path: Path) -> None:
    made = tmp_path / "random" / "yolov8n.pt"
    made.parent.mkdir()
    made.touch()
    subject = with_weights(one("yolov8n", tmp_path), tmp_path)
    assert (subject.source, subject.random_weights) == (str(made.resolve()), True)


def test_a_file_whose_name_tells_no_class_needs_one(tmp_path: Path) -> None:
    path = tmp_path / "park.xml"
    path.touch()
    with pytest.raises(Rejected, match="give --size-class"):
        one(str(path), tmp_path)
    assert one(str(path), tmp_path, "n").source == str(path.resolve())
    with pytest.raises(Rejected, match="that is there"):
        one(str(tmp_path / "gone.pt"), tmp_path)
