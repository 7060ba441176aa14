"""Engines and loaders for tests that misbehave as they are told to."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from consumers.detector.decode import Pictures
from consumers.detector.engines.fake import FakeEngine
from consumers.detector.engines.protocol import Objects
from consumers.detector.figures import Figures
from wire.errors import Rejected
from wire.models import ModelSpec

SPEC = ModelSpec(model="park-n", version="v1", source="park-n.xml", size_class="n")
POOL = ThreadPoolExecutor(4)


def figures() -> Figures:
    """Return metrics on a registry of their own."""
    return Figures(CollectorRegistry())


@dataclass
class MoodyEngine(FakeEngine):
    """Fails on pictures whose first pixel is `poison`, and on any batch larger than `batch_max`."""

    poison: int = -1
    batch_max: int = 1000
    calls: list[int] = field(default_factory=list)
    bad_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def prepare(self, height: int, width: int) -> None:
        if (height, width) == self.bad_size:
            raise Rejected("too wide")

    def infer(self, pictures: Pictures) -> list[Objects]:
        self.calls.append(len(pictures))
        if len(pictures) > self.batch_max or any(
            int(picture[0, 0, 0]) == self.poison for picture in pictures
        ):
            raise RuntimeError("out of memory")
        return super().infer(pictures)


@dataclass
class GatedEngine(MoodyEngine):
    """Answers when `gate` is set."""

    gate: threading.Event = field(default_factory=threading.Event)

    def infer(self, pictures: Pictures) -> list[Objects]:
        found = super().infer(pictures)
        assert self.gate.wait(10)
        return found


@dataclass
class ScriptedLoader:
    """Answers with an engine by version; holds a load until `gate` is set."""

    engines: dict[str, MoodyEngine] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    loaded: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    away: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def fetch(self, spec: ModelSpec) -> None:
        self.fetched.append(spec.version)
        if self.away:
            raise self.away.pop()

    def load(self, spec: ModelSpec) -> MoodyEngine:
        self.begun.append(spec.version)
        self.gate.wait(10)
        self.loaded.append(spec.version)
        if spec.version in self.failures:
            raise self.failures[spec.version]
        return self.engines.setdefault(spec.version, MoodyEngine())
