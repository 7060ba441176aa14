"""Engines are measured in processes of their own; what fails is told, and the fastest wins."""

import json
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from consumers.detector.engines import measured
from consumers.detector.engines.fake import FakeEngine
from consumers.detector.engines.measured import Task, fastest, images_per_second, parse_size
from samples.catalog import PARK_MODEL


def task(tmp_path: Path) -> Task:
    return Task(source="m.pt", cache=tmp_path, threads=0, height=96, width=128)


def test_the_fastest_wins_and_what_failed_says_why(tmp_path: Path) -> None:
    def run(command: list[str], timeout_s: float) -> str:
        assert timeout_s == 9
        engine = command[3]
        if engine == "onnx":
            raise RuntimeError("it needs onnxruntime")
        return {"openvino": "70.5", "torch": "20", "tensorrt": "no number"}[engine]

    engines = ("torch", "openvino", "onnx", "tensorrt")
    choice = fastest(task(tmp_path), engines, timeout_s=9, run=run)
    assert choice is not None
    assert choice.engine == "openvino"
    assert choice.images_per_second == {"torch": 20.0, "openvino": 70.5}
    assert choice.failed["onnx"] == "it needs onnxruntime"
    assert "no number" in choice.failed["tensorrt"]


@pytest.mark.parametrize(
    ("openvino", "torch", "chosen"),
    [((5, 11), (8, 8), "openvino"), ((10, 10), (10.9, 9), "openvino"), ((5, 5), (6, 1), "torch")],
)
def test_neither_a_busy_moment_nor_a_hair_s_breadth_decides(
    tmp_path: Path, openvino: tuple[float, float], torch: tuple[float, float], chosen: str
) -> None:
    turns = {"openvino": iter(openvino), "torch": iter(torch)}

    def run(command: list[str], timeout_s: float) -> str:
        return str(next(turns[command[3]]))

    choice = fastest(task(tmp_path), ("openvino", "torch"), timeout_s=9, run=run)
    assert choice is not None
    assert choice.engine == chosen


def test_when_none_runs_nothing_is_chosen(tmp_path: Path) -> None:
    def run(command: list[str], timeout_s: float) -> str:
        raise RuntimeError("no")

    assert fastest(task(tmp_path), ("torch",), timeout_s=9, run=run) is None


def test_an_engine_that_hangs_or_dies_is_told_in_a_word() -> None:
    with pytest.raises(RuntimeError, match=r"took over 0 s|took over"):
        measured.run_bounded([sys.executable, "-c", "import time; time.sleep(60)"], 0.2)
    with pytest.raises(RuntimeError, match="ValueError: bad"):
        measured.run_bounded([sys.executable, "-c", "raise ValueError('bad')"], 60)


@pytest.mark.parametrize(("second", "batches"), [(0.5, 6), (2.0, 3), (20.0, 1)])
def test_a_slow_engine_does_few_batches_and_a_quick_one_as_many_as_fit(
    second: float, batches: int
) -> None:
    ticks = count()
    speed = images_per_second(FakeEngine(), 32, 32, clock=lambda: next(ticks) * second)
    assert speed == measured.BATCH_SIZE / second
    assert next(ticks) == batches + 1


def test_a_process_measures_a_real_engine(tmp_path: Path) -> None:
    source = str(PARK_MODEL.openvino)
    command = Task(source=source, cache=tmp_path, threads=0, height=64, width=64)
    done = subprocess.run(
        command.command("openvino"), capture_output=True, text=True, check=True, timeout=120
    )
    assert json.loads(done.stdout.splitlines()[-1]) > 0


def test_a_size_is_a_side_or_two() -> None:
    assert parse_size("640") == (640, 640)
    assert parse_size("384x512") == (384, 512)
