"""Which engine runs a model: as told, or by what is installed and what the weights are.

`auto`: OpenVINO for IR weights; else torch where there is a CUDA device; else OpenVINO after
one conversion; else torch on the CPU. Libraries are imported only when they are chosen, so that
a detector on OpenVINO never loads torch.
"""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from consumers.detector.engines.convert import convert
from consumers.detector.engines.fake import FakeEngine, parse_latency
from consumers.detector.engines.protocol import Engine, Thresholds
from wire.errors import Misconfigured, Rejected
from wire.models import ModelSpec

IR_SUFFIX = ".xml"
NAMES = ("auto", "openvino", "torch", "fake")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLoader:
    """Loads models as engines of one kind; relative sources are sought in `models_folder`."""

    kind: str
    threads: int
    models_folder: Path
    cache_folder: Path

    def check(self) -> None:
        """Raise `Misconfigured` when no engine of this kind can run here."""
        name = self.kind.partition(":")[0]
        if name not in NAMES:
            raise Misconfigured(f"engine {self.kind!r} must be one of {' '.join(NAMES)}")
        if name == "fake":
            parse_latency(self.kind)
        wanted = {"auto": ("openvino", "torch")}.get(name, (name,))
        if name != "fake" and not any(_installed(library) for library in wanted):
            raise Misconfigured(
                f"engine {name} needs {' or '.join(wanted)}: install framemeter[cpu] for OpenVINO"
                " or framemeter[gpu] for torch"
            )

    def load(self, spec: ModelSpec) -> Engine:
        """Return the model, loaded; raise `Rejected` when its source cannot be used."""
        if self.kind.startswith("fake"):
            low_ms, high_ms = parse_latency(self.kind)
            return FakeEngine(low_ms=low_ms, high_ms=high_ms)
        source = self.resolve(spec.source)
        if self._engine_of(source) == "openvino":
            return self._openvino(source, Thresholds.of(spec))
        if source.endswith(IR_SUFFIX):
            raise Rejected(f"{source} is OpenVINO IR, which the torch engine cannot run")
        # Ultralytics looks at this when it is imported; a detector installs nothing by itself.
        os.environ.setdefault("YOLO_AUTOINSTALL", "false")
        from consumers.detector.engines.torch import TorchEngine

        return TorchEngine(source, Thresholds.of(spec), threads=self.threads)

    def resolve(self, source: str) -> str:
        """Return the path of a file, or the name that Ultralytics knows it by."""
        path = self.models_folder / source
        if path.is_file():
            return str(path.resolve())
        if path.suffix == ".pt" and Path(source).name == source:
            return source
        raise Rejected(
            f"{source} is not there: put it into {self.models_folder}, or set"
            " FRAMEMETER_MODELS_FOLDER to where it is"
        )

    def _engine_of(self, source: str) -> str:
        if self.kind != "auto":
            return self.kind
        if source.endswith(IR_SUFFIX):
            return "openvino"
        if _installed("torch") and (_has_cuda() or not _installed("openvino")):
            return "torch"
        return "openvino"

    def _openvino(self, source: str, thresholds: Thresholds) -> Engine:
        if not _installed("openvino"):
            raise Rejected(f"{source} needs OpenVINO: install framemeter[cpu]")
        from consumers.detector.engines.openvino import OpenVinoEngine

        path = source if source.endswith(IR_SUFFIX) else convert(source, self.cache_folder)
        return OpenVinoEngine(Path(path), thresholds, threads=self.threads)


def _installed(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


def _has_cuda() -> bool:
    """Say whether there is a CUDA device, without importing torch where there is no driver."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return False
    import torch

    return bool(torch.cuda.is_available())
