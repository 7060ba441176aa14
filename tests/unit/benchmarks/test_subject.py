"""The models that benchmarks run."""

from pathlib import Path

import pytest

from benchmarks.ground import Choice
from benchmarks.subject import gigaflops, subject
from wire.errors import Misconfigured


def test_operations_grow_with_the_picture() -> None:
    assert gigaflops("yolov8n", 640, 640) == 8.7
    assert gigaflops("yolov8n", 320, 640) == 4.35
    assert gigaflops("mine", 640, 640) is None


async def test_a_name_that_is_no_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="yolov8s"):
        await subject("my-model", tmp_path)


def test_a_detector_is_told_its_engine_and_a_batch_size_only_when_chosen(tmp_path: Path) -> None:
    told = Choice(engine="fake:24").environment(tmp_path)
    assert told["FRAMEMETER_ENGINE"] == "fake:24"
    assert "FRAMEMETER_BATCH_SIZE_MAX" not in told
    assert Choice(batch_size=32).environment(tmp_path)["FRAMEMETER_BATCH_SIZE_MAX"] == "32"
