"""Choices of engines: kept by weights, releases and machine; a broken file is made anew."""

from dataclasses import replace
from pathlib import Path

import pytest

from consumers.detector.engines import choices
from consumers.detector.engines.choices import FILE, Choice, Choices, this_machine


def choice(engine: str = "openvino") -> Choice:
    return Choice(engine=engine, height=640, width=640, images_per_second={engine: 70.0}, failed={})


def test_a_choice_is_kept_for_other_processes(tmp_path: Path) -> None:
    Choices(tmp_path / "new").put("a", choice("openvino"))
    Choices(tmp_path / "new").put("b", choice("torch"))
    assert Choices(tmp_path / "new").get("a") == choice("openvino")
    assert Choices(tmp_path / "new").get("b") == choice("torch")
    assert Choices(tmp_path / "new").get("c") is None
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FILE]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": {"engine": 7}}', b"\xff\xfe"])
def test_a_broken_file_is_made_anew(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    kept = Choices(tmp_path)
    assert kept.get("a") is None
    kept.put("a", choice())
    assert kept.get("a") == choice()


def test_only_the_newest_choices_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "CHOICES_MAX", 2)
    kept = Choices(tmp_path)
    for key in ("a", "b", "a", "c"):
        kept.put(key, choice())
    assert [kept.get(key) is not None for key in ("a", "b", "c")] == [True, False, True]


def test_a_choice_holds_for_these_weights_on_this_machine_only() -> None:
    here = this_machine(threads=2)
    assert "openvino-" in here.libraries
    others = [
        replace(here, cpu="another"),
        replace(here, cores=here.cores + 1),
        replace(here, threads=1),
        replace(here, gpu="NVIDIA H100"),
        replace(here, libraries="openvino-1"),
    ]
    keys = {machine.key("weights") for machine in [here, *others]} | {here.key("other weights")}
    assert len(keys) == len(others) + 2
    assert this_machine(threads=2).key("weights") in keys


def test_a_gpu_is_known_by_its_drivers_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "GPU_FACTS", tmp_path)
    assert choices.gpu_name() == ""
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0" / "information").write_text("Model: \t\t NVIDIA L4\nIRQ: 7\n")
    assert choices.gpu_name() == "NVIDIA L4"
    assert this_machine(threads=0).gpu == "NVIDIA L4"
