"""Which engine runs a model, and what is said when none can."""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from consumers.detector.engines import available, choose
from consumers.detector.engines.choices import Choice
from consumers.detector.engines.choose import EngineLoader
from consumers.detector.engines.convert import cached
from consumers.detector.engines.measured import Task
from tests.unit.consumers.detector.scripted import SPEC
from wire.errors import Misconfigured, Rejected


def loader(kind: str, folder: Path) -> EngineLoader:
    return EngineLoader(kind=kind, threads=0, models_folder=folder, cache_folder=folder / "cache")


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "installed", lambda library: False)


def test_an_engine_that_does_not_exist_is_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(
        Misconfigured, match="must be one of auto openvino torch onnx tensorrt fake"
    ):
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


def test_what_an_older_edition_converted_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing of end-to-end heads, and cut what they find."""
    digest = hashlib.sha256(b"yolo26n.pt").hexdigest()
    (tmp_path / digest).mkdir()
    (tmp_path / digest / "model.xml").touch()
    monkeypatch.setattr("consumers.detector.engines.convert.can_convert", lambda: False)
    with pytest.raises(Rejected, match="no torch to convert it"):
        choose.convert("yolo26n.pt", tmp_path)


@pytest.fixture
def weights(tmp_path: Path) -> str:
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    return str(path)


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Which engines were measured; torch always wins where it takes part."""
    seen: list[tuple[str, ...]] = []

    def measure(task: Task, engines: Sequence[str], *, timeout_s: float) -> Choice:
        seen.append(tuple(engines))
        return Choice(
            engine="torch" if "torch" in engines else engines[0],
            height=task.height,
            width=task.width,
            images_per_second=dict.fromkeys(engines, 1.0),
            failed={},
        )

    monkeypatch.setattr(choose, "fastest", measure)
    return seen


def able(monkeypatch: pytest.MonkeyPatch, *engines: str, gpu: bool = False) -> None:
    monkeypatch.setattr(choose, "candidates", lambda: engines)
    monkeypatch.setattr(choose, "has_gpu", lambda: gpu)


def test_auto_measures_once_for_weights_and_keeps_the_choice(
    weights: str,
    measurements: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    able(monkeypatch, "openvino", "torch", "onnx")
    assert loader("auto", tmp_path)._engine_of(weights) == "torch"
    assert loader("auto", tmp_path)._engine_of(weights) == "torch"
    # ONNX would have to be exported first, while frames wait: only the command measures it.
    assert measurements == [("openvino", "torch")]
    Path(weights).write_bytes(b"other weights")
    loader("auto", tmp_path)._engine_of(weights)
    assert len(measurements) == 2


def test_where_there_is_nothing_to_choose_nothing_is_measured(
    weights: str,
    measurements: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    able(monkeypatch, "openvino")
    assert loader("auto", tmp_path)._engine_of(weights) == "openvino"
    for suffix, engine in ((".xml", "openvino"), (".onnx", "onnx"), (".engine", "tensorrt")):
        assert loader("auto", tmp_path)._engine_of(f"model{suffix}") == engine
    assert measurements == []


def test_on_a_gpu_no_engine_is_built_while_frames_wait(
    weights: str,
    measurements: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    able(monkeypatch, "tensorrt", "torch", gpu=True)
    assert loader("auto", tmp_path)._engine_of(weights) == "tensorrt"
    assert measurements == []
    loader("auto", tmp_path).measure(weights, (64, 64), ("torch", "tensorrt"))
    assert loader("auto", tmp_path)._engine_of(weights) == "torch"


def test_a_kept_choice_that_cannot_run_any_more_is_passed_over(
    weights: str,
    measurements: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    able(monkeypatch, "openvino", "torch")
    loader("auto", tmp_path)._engine_of(weights)
    able(monkeypatch, "openvino", "onnx")
    assert loader("auto", tmp_path)._engine_of(weights) == "openvino"


def test_when_nothing_could_be_measured_the_preferred_engine_tries(
    weights: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    able(monkeypatch, "openvino", "torch")
    monkeypatch.setattr(choose, "fastest", lambda task, engines, timeout_s: None)
    assert loader("auto", tmp_path)._engine_of(weights) == "openvino"


def test_tensorrt_without_a_gpu_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(available, "installed", lambda library: True)
    monkeypatch.setattr(available, "DEVICES", tmp_path)
    with pytest.raises(Misconfigured, match=r"needs an NVIDIA GPU .* FRAMEMETER_ENGINE=auto"):
        loader("tensorrt", tmp_path).check()
    (tmp_path / "model.engine").touch()
    with pytest.raises(Rejected, match=r"model\.engine needs .* NVIDIA GPU"):
        loader("auto", tmp_path).load(msgspec.structs.replace(SPEC, source="model.engine"))


def test_tensorrt_from_11_on_needs_its_halves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(available, "installed", lambda library: library != "modelopt")
    monkeypatch.setattr(available, "has_gpu", lambda: True)
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="11.1.0"))
    with pytest.raises(Misconfigured, match=r"release 11\.1\.0 needs nvidia-modelopt"):
        loader("tensorrt", tmp_path).check()
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="10.13.3"))
    loader("tensorrt", tmp_path).check()


def test_weights_with_other_bytes_than_promised_are_rejected(weights: str, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    assert loader("torch", tmp_path).resolve(weights, digest) == weights
    with pytest.raises(Rejected, match="SHA-256"):
        loader("torch", tmp_path).resolve(weights, "0" * 64)
    with pytest.raises(Rejected):
        loader("torch", tmp_path).resolve("yolov8s.pt", digest)


def test_weights_from_a_url_are_fetched_before_they_are_loaded(
    weights: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, str]] = []

    def fetch(source: str, sha256: str, cache: Path) -> Path:
        asked.append((source, sha256))
        return Path(weights)

    monkeypatch.setattr(choose, "fetch", fetch)
    spec = msgspec.structs.replace(SPEC, source="https://models.example/m.pt", sha256="a" * 64)
    loader("fake", tmp_path).fetch(spec)
    assert asked == []
    loader("openvino", tmp_path).fetch(spec)
    assert asked == [("https://models.example/m.pt", "a" * 64)]
    assert loader("openvino", tmp_path).resolve(spec.source, spec.sha256) == weights


def test_the_report_names_the_fastest_first_and_what_failed() -> None:
    choice = Choice(
        engine="b",
        height=64,
        width=64,
        images_per_second={"a": 1.0, "b": 20.0},
        failed={"c": "no GPU"},
    )
    told = choose.report(choice).splitlines()
    assert told == ["b: 20.0 images/s", "a: 1.0 images/s", "c: no GPU", "auto takes b"]
