"""Which engine was the fastest for some weights on this machine: measured once, kept in a file.

A choice holds for the weights' bytes, the engines' releases, the processor with the cores and
threads that are used, and the GPU. A file that cannot be read counts as empty and is written anew;
it appears whole or not at all. At most `CHOICES_MAX` choices are kept, the newest ones.
"""

import fcntl
import importlib.metadata
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from wire.cores import usable_cores

FILE = "choices.json"
LOCK = "choices.lock"
CHOICES_MAX = 256
LIBRARIES = ("openvino", "torch", "ultralytics-opencv-headless", "onnxruntime", "tensorrt")
CPU_FACTS = Path("/proc/cpuinfo")
GPU_FACTS = Path("/proc/driver/nvidia/gpus")

log = structlog.stdlib.get_logger("consumers.detector.engines")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The engine that won, at which size, and what each one did or why it could not."""

    engine: str
    height: int
    width: int
    images_per_second: dict[str, float]
    failed: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a measurement holds for, beside the weights."""

    cpu: str
    cores: int
    threads: int
    gpu: str
    libraries: str

    def key(self, digest: str) -> str:
        """Return what weights with this SHA-256 are filed under."""
        place = f"{self.cpu} x{self.cores}/{self.threads} threads/{self.gpu}"
        return f"{digest}/{self.libraries}/{place}"


def this_machine(threads: int) -> Machine:
    """Return the facts of the machine that this process runs on."""
    return Machine(
        cpu=_fact(CPU_FACTS, "model name") or "unknown CPU",
        cores=usable_cores(),
        threads=threads,
        gpu=gpu_name() or "no GPU",
        libraries=" ".join(filter(None, map(_release, LIBRARIES))),
    )


def gpu_name() -> str:
    """Return the name of the first NVIDIA GPU, or "": without loading anything of its maker."""
    for folder in sorted(GPU_FACTS.glob("*")):
        return _fact(folder / "information", "Model")
    return ""


class Choices:
    """The file of choices in a folder."""

    def __init__(self, folder: Path) -> None:
        """Use `choices.json` in `folder`, which is made when the first choice is kept."""
        self._folder = folder

    def get(self, key: str) -> Choice | None:
        """Return the choice that is kept under this key."""
        return self._read().get(key)

    def put(self, key: str, choice: Choice) -> None:
        """Keep a choice; of two processes that do so at once one may have to measure again."""
        choices = self._read()
        choices.pop(key, None)
        choices[key] = choice
        newest = dict(list(choices.items())[-CHOICES_MAX:])
        text = msgspec.json.format(msgspec.json.encode(newest), indent=2) + b"\n"
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".choices-")
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        Path(name).replace(self._folder / FILE)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Be the only process that measures: two at once would measure each other."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self) -> dict[str, Choice]:
        path = self._folder / FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Choice])
        except FileNotFoundError:
            return {}
        except (msgspec.DecodeError, OSError, UnicodeDecodeError) as error:
            log.warning("choices of engines cannot be read: they are made anew", error=str(error))
            return {}


def _fact(path: Path, name: str) -> str:
    """Return a value from lines of `name : value`, or ""."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    facts = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in facts if key.strip() == name), "")


def _release(library: str) -> str:
    try:
        return f"{library}-{importlib.metadata.version(library)}"
    except importlib.metadata.PackageNotFoundError:
        return ""
