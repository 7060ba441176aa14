"""Which engine runs a model, and what is said when none can."""

from pathlib import Path

import pytest

from consumers.detector.engines import available, choose
from consumers.detector.engines.choose import EngineLoader
from consumers.detector.engines.convert import cached
from tests.unit.consumers.detector.scripted import SPEC
from wire.errors import Misconfigured, Rejected


def loader(kind: str, folder: Path) -> EngineLoader:
    return EngineLoader(kind=kind, threads=0, models_folder=folder, cache_folder=folder / "cache")


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "installed", lambda library: False)


def test_an_engine_that_does_not_exist_is_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="must be one of auto openvino torch onnx tensorrt fake"):
        loader("tensorflow", tmp_path).check()


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("auto", "cpu"),
        ("openvino", "cpu"),
        ("torch", "gpu"),
        ("onnx", "onnx"),
        ("tensorrt", "gpu,onnx"),
    ],
)
def test_without_libraries_it_says_what_to_install(kind: str, extra: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=rf"install framemeter\[{extra}\]"):
        loader(kind, tmp_path).check()


@pytest.mark.usefixtures("nothing_installed")
def test_the_fake_needs_nothing(tmp_path: Path) -> None:
    loader("fake:1-2", tmp_path).check()
    assert loader("fake:1-2", tmp_path).load(SPEC).name == "fake"


def test_a_missing_file_names_the_folder_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="FRAMEMETER_MODELS_FOLDER"):
        loader("auto", tmp_path).load(SPEC)


def test_a_relative_source_starts_at_the_models_folder(tmp_path: Path) -> None:
    (tmp_path / "park.xml").touch()
    assert loader("auto", tmp_path).resolve("park.xml") == str(tmp_path / "park.xml")
    assert loader("auto", Path("/")).resolve(str(tmp_path / "park.xml")).endswith("park.xml")


def test_a_name_that_ultralytics_knows_is_left_to_it(tmp_path: Path) -> None:
    assert loader("auto", tmp_path).resolve("yolov8s.pt") == "yolov8s.pt"
    with pytest.raises(Rejected):
        loader("auto", tmp_path).resolve("folder/yolov8s.pt")


def test_a_file_that_is_no_model_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "park-n.xml").write_text("<nothing/>")
    with pytest.raises(Rejected, match="not an OpenVINO model"):
        loader("auto", tmp_path).load(SPEC)


@pytest.mark.parametrize("kind", ["torch", "onnx", "tensorrt"])
def test_an_engine_does_not_take_another_ones_files(kind: str, tmp_path: Path) -> None:
    (tmp_path / "park-n.xml").touch()
    with pytest.raises(Rejected, match=rf"the {kind} engine cannot run: register a .*\.pt"):
        loader(kind, tmp_path).load(SPEC)


def test_without_torch_it_says_how_to_convert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.detector.engines.convert.can_convert", lambda: False)
    with pytest.raises(Rejected, match=r"python -m consumers\.detector\.engines\.convert"):
        choose.convert("yolov8s.pt", tmp_path)


def test_converted_weights_are_found_by_their_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one.pt", tmp_path / "other.pt"
    one.write_bytes(b"weights")
    other.write_bytes(b"weights")
    assert cached(str(one), tmp_path) == cached(str(other), tmp_path)
    other.write_bytes(b"other weights")
    assert cached(str(one), tmp_path) != cached(str(other), tmp_path)
