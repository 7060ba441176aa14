"""What is measured: registered models, files, or architectures of Ultralytics by name.

Nothing is downloaded: where weights are not there, random ones of the same architecture are made
and told as such. What a frame costs depends on the network, not on its weights.
"""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from billing.tariff import size_class_of
from wire.errors import Rejected
from wire.models import SIZE_CLASSES, ModelSpec

ARCHITECTURES = tuple(f"yolov8{size_class}" for size_class in SIZE_CLASSES)
"""What is measured when nothing is named: one model of every size class."""
TASKS_BY_SUFFIX = {"seg": "segment", "pose": "pose", "cls": "classify", "obb": "obb"}
SUFFIXES = (".pt", ".xml", ".yaml")
SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model to be measured; `source` is a file once its weights are there."""

    name: str
    source: str
    size_class: str
    task: str
    random_weights: bool

    @property
    def spec(self) -> ModelSpec:
        """Return it as an engine's loader wants it."""
        return ModelSpec(
            model=self.name,
            version="calibration",
            source=self.source,
            size_class=self.size_class,
            task=self.task,
        )


def find(
    names: Iterable[str], registered: Mapping[str, ModelSpec], *, folder: Path, size_class: str
) -> dict[str, Subject]:
    """Return what is meant by each name; `folder` is where registered paths begin.

    Raises `Rejected` when a file has no size class and `size_class` tells none.
    """
    found = (_find(name, registered, folder, size_class) for name in names)
    return {subject.name: subject for subject in found}


def _find(name: str, registered: Mapping[str, ModelSpec], folder: Path, size_class: str) -> Subject:
    spec = registered.get(name)
    if spec is not None:
        located = folder / spec.source
        source = str(located.resolve()) if located.is_file() else _stem(spec.source)
        return _subject(name, source, spec.size_class, spec.task)
    path = Path(name)
    if path.suffix in SUFFIXES[:2] and path.is_file():
        source = str(path.resolve())
    elif path.suffix in ("", *SUFFIXES) and path.name == name:
        source = _stem(name)
    else:
        raise Rejected(f"{name} is neither a registered model nor a .pt or .xml file that is there")
    known = size_class_of(_stem(name)) or size_class
    if known not in SIZE_CLASSES:
        raise Rejected(f"the name {name!r} does not tell a size class: give --size-class")
    return _subject(_stem(name), source, known, task_of(_stem(name)))


def _subject(name: str, source: str, size_class: str, task: str) -> Subject:
    return Subject(
        name=name,
        source=source,
        size_class=size_class,
        task=task,
        random_weights=not Path(source).is_absolute(),
    )


def _stem(name: str) -> str:
    path = Path(name)
    return path.stem if path.suffix in SUFFIXES else path.name


def task_of(name: str) -> str:
    """Return the task that an Ultralytics name tells, such as yolov8n-seg."""
    return TASKS_BY_SUFFIX.get(name.rpartition("-")[2], "detect")


def with_weights(subject: Subject, cache: Path) -> Subject:
    """Return the subject with a file as its source, making random weights where it has none."""
    if not subject.random_weights:
        return subject
    path = cache.resolve() / "random" / f"{subject.source}.pt"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(make_weights, subject.source, path).result()
    return Subject(
        name=subject.name,
        source=str(path),
        size_class=subject.size_class,
        task=subject.task,
        random_weights=True,
    )


def make_weights(architecture: str, path: Path) -> None:
    """Write a checkpoint of an Ultralytics architecture with random weights, whole or not at all.

    Loads torch, so it is meant for a process of its own.
    """
    os.dup2(2, 1)
    os.environ.update(
        YOLO_CONFIG_DIR=str(path.parent),
        YOLO_AUTOINSTALL="false",
        YOLO_OFFLINE="1",
        YOLO_VERBOSE="false",
    )
    try:
        import torch
        from ultralytics.models.yolo.model import YOLO
    except ImportError as error:
        raise Rejected(
            f"random weights of {architecture} need torch: install framemeter[cpu,gpu], or name"
            " a file"
        ) from error
    torch.manual_seed(SEED)
    try:
        model = YOLO(f"{architecture}.yaml")
    except (OSError, ValueError, KeyError) as error:
        raise Rejected(f"{architecture} is no file and no architecture of Ultralytics") from error
    scratch = path.with_suffix(".making.pt")
    model.save(str(scratch))
    scratch.rename(path)
