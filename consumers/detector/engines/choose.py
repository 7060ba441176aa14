"""Which engine runs a model: as told, or by what is installed, what the weights are, and speed.

`auto` takes the engine that the weights are made for; of several that could run a `.pt` the one
that was the fastest here. That is measured once for each weights file and machine, kept in the
cache (`choices.py`), and repeated with `python -m consumers.detector.engines.choose SOURCE`, which
alone measures what takes minutes to build. Libraries are imported only when they are chosen, so
that a detector on OpenVINO never loads torch.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from consumers.detector.engines.available import candidates, has_gpu, missing
from consumers.detector.engines.choices import Choice, Choices, this_machine
from consumers.detector.engines.convert import convert
from consumers.detector.engines.export import digest_of, exported
from consumers.detector.engines.fake import FakeEngine, parse_latency
from consumers.detector.engines.measured import Task, fastest, parse_size
from consumers.detector.engines.protocol import Engine, Thresholds
from consumers.detector.weights import fetch, is_url, shown, verify
from wire.cores import quota_cores
from wire.errors import Misconfigured, Rejected
from wire.models import ModelSpec

NAMES = ("auto", "openvino", "torch", "onnx", "tensorrt", "fake")
TAKES = {
    "openvino": (".xml", ".pt"),
    "torch": (".pt",),
    "onnx": (".onnx", ".pt"),
    "tensorrt": (".engine", ".pt"),
}
"""The kinds of files that each engine runs; what is its own comes first."""
MADE_FOR = {".xml": "openvino", ".onnx": "onnx", ".engine": "tensorrt"}
MEASURE_TIMEOUT_S = 120.0
"""How long an engine may take until it has been measured, while frames wait for the model."""
AT_ONCE = 2
"""So many candidates are measured while frames wait: those that need no export of their own."""
BUILD_TIMEOUT_S = 3600.0
"""The same for an operator who asked for it."""
SIZE = (640, 640)

log = structlog.stdlib.get_logger("consumers.detector.engines")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLoader:
    """Loads models as engines of one kind; relative sources are sought in `models_folder`.

    `threads` 0 leaves their number to the engine, within the quota of a container.
    """

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
        elif name == "auto":
            if not any(missing(engine) is None for engine in TAKES):
                raise Misconfigured(
                    "engine auto finds no engine: install framemeter[cpu] for OpenVINO or"
                    " framemeter[gpu] for torch"
                )
        elif lacking := missing(name):
            raise Misconfigured(f"engine {name} {lacking}")

    def fetch(self, spec: ModelSpec) -> None:
        """Bring weights that a URL names here, before they are loaded."""
        if is_url(spec.source) and not self.kind.startswith("fake"):
            self.resolve(spec.source, spec.sha256)

    def load(self, spec: ModelSpec) -> Engine:
        """Return the model, loaded; raise `Rejected` when its source cannot be used."""
        if self.kind.startswith("fake"):
            low_ms, high_ms = parse_latency(self.kind)
            return FakeEngine(low_ms=low_ms, high_ms=high_ms, task=spec.task)
        source = self.resolve(spec.source, spec.sha256)
        engine = self._engine_of(source)
        if Path(source).suffix not in TAKES[engine]:
            raise Rejected(
                f"{source} is a file that the {engine} engine cannot run: register a"
                f" {' or '.join(TAKES[engine])}, or set FRAMEMETER_ENGINE=auto"
            )
        if lacking := missing(engine):
            raise Rejected(f"{source} needs the engine {engine}, which {lacking}")
        return self._make(engine, source, Thresholds.of(spec))

    def resolve(self, source: str, sha256: str = "") -> str:
        """Return the path of a file with these bytes, or the name that Ultralytics knows it by."""
        if is_url(source):
            return str(fetch(source, sha256, self.cache_folder))
        path = self.models_folder / source
        if path.is_file():
            if sha256:
                verify(path, sha256)
            return str(path.resolve())
        if path.suffix == ".pt" and Path(source).name == source and not sha256:
            return source
        raise Rejected(
            f"{shown(source)} is not there: put it into {self.models_folder}, or set"
            " FRAMEMETER_MODELS_FOLDER to where it is"
        )

    def measure(self, source: str, size: tuple[int, int], engines: Sequence[str]) -> Choice | None:
        """Measure these engines on weights and keep the choice; None when none of them ran."""
        return self._measure(source, size, engines, timeout_s=BUILD_TIMEOUT_S, anew=True)

    def _engine_of(self, source: str) -> str:
        suffix = Path(source).suffix
        if self.kind != "auto":
            return self.kind
        if suffix in MADE_FOR:
            return MADE_FOR[suffix]
        able = candidates()
        if not able:
            raise Rejected(f"no engine for {source}: install framemeter[cpu] or framemeter[gpu]")
        if len(able) == 1:
            return able[0]
        choice = self._kept(source)
        if choice is None and not has_gpu():
            choice = self._measure(source, SIZE, able[:AT_ONCE], timeout_s=MEASURE_TIMEOUT_S)
        return choice.engine if choice is not None and choice.engine in able else able[0]

    @property
    def _threads(self) -> int:
        return self.threads or quota_cores()

    def _kept(self, source: str) -> Choice | None:
        return Choices(self.cache_folder).get(self._key(source))

    def _key(self, source: str) -> str:
        return this_machine(self._threads).key(digest_of(source))

    def _measure(
        self,
        source: str,
        size: tuple[int, int],
        engines: Sequence[str],
        *,
        timeout_s: float,
        anew: bool = False,
    ) -> Choice | None:
        choices, key = Choices(self.cache_folder), self._key(source)
        task = Task(
            source=source,
            cache=self.cache_folder,
            threads=self._threads,
            height=size[0],
            width=size[1],
        )
        with choices.measuring():
            # Another process may have measured while this one waited to.
            kept = None if anew else choices.get(key)
            choice = kept or fastest(task, engines, timeout_s=timeout_s)
            if choice is None or choice is kept:
                return choice
            choices.put(key, choice)
        log.info(
            "engine chosen",
            source=shown(source),
            engine=choice.engine,
            images_per_second=choice.images_per_second,
            failed=choice.failed,
        )
        return choice

    def _make(self, engine: str, source: str, thresholds: Thresholds) -> Engine:
        """Load a file that the engine takes, converted where it is not the engine's own."""
        # Before Ultralytics is imported: nothing is installed, no settings in a home folder.
        os.environ.setdefault("YOLO_AUTOINSTALL", "false")
        os.environ.setdefault("YOLO_CONFIG_DIR", str(self.cache_folder.resolve() / "ultralytics"))
        own = Path(source).suffix == TAKES[engine][0]
        if engine == "openvino":
            from consumers.detector.engines.openvino import OpenVinoEngine

            path = Path(source) if own else convert(source, self.cache_folder)
            return OpenVinoEngine(path, thresholds, threads=self._threads)
        if engine == "onnx":
            from consumers.detector.engines.onnx import OnnxEngine

            path = Path(source) if own else exported(source, "onnx", self.cache_folder)
            return OnnxEngine(path, thresholds, threads=self._threads)
        if engine == "tensorrt":
            from consumers.detector.engines.tensorrt import TensorRtEngine

            return TensorRtEngine(source, thresholds, cache=self.cache_folder)
        from consumers.detector.engines.torch import TorchEngine

        return TorchEngine(source, thresholds, threads=self._threads)


def main() -> None:
    """Measure which engine runs these weights the fastest here, and keep the choice."""
    from consumers.detector.settings import DetectorSettings
    from wire.process import read_settings

    parser = argparse.ArgumentParser(
        prog="python -m consumers.detector.engines.choose", description=main.__doc__
    )
    parser.add_argument("source", help="a .pt file, or a name that Ultralytics knows")
    parser.add_argument("--size", type=parse_size, default=SIZE, help="640, or 384x512 (HxW)")
    arguments = parser.parse_args()
    settings = read_settings(DetectorSettings)
    loader = EngineLoader(
        kind="auto",
        threads=settings.engine_threads,
        models_folder=settings.models_folder,
        cache_folder=settings.models_cache,
    )
    choice = loader.measure(loader.resolve(arguments.source), arguments.size, candidates())
    if choice is None:
        sys.exit(f"no engine could run {arguments.source}: try FRAMEMETER_ENGINE=torch for why")
    sys.stdout.write(report(choice))


def report(choice: Choice) -> str:
    """Return what was measured, a line for each engine, the fastest first."""
    speeds = sorted(choice.images_per_second.items(), key=lambda item: -item[1])
    lines = [f"{engine}: {speed:.1f} images/s" for engine, speed in speeds]
    lines += [f"{engine}: {reason}" for engine, reason in choice.failed.items()]
    return "\n".join([*lines, f"auto takes {choice.engine}", ""])


if __name__ == "__main__":
    main()
