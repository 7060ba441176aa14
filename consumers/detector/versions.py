"""A place in which one version of a model runs: the wanted one, or until it can, the one before.

Promises that a version is loaded once, tested and warmed for every size in use beside the one
that runs, and takes its place between two batches; that one which fails changes nothing but what
is told of it, and that where nothing runs yet the former version is loaded instead; that weights
which cannot be fetched now are tried again, at longer and longer intervals; and that nothing here
holds an engine that is not in use, but for a moment, to free it beside the loop.
"""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import structlog

from consumers.detector.background import in_daemon, let_go
from consumers.detector.engines.protocol import Engine, Loader
from consumers.detector.figures import Figures
from consumers.detector.loading import (
    Answer,
    Hopeless,
    Loaded,
    Waiting,
    load_and_test,
    prepare_sizes,
)
from consumers.detector.selftest import Size
from consumers.detector.weights import is_url
from wire.errors import Rejected, Retryable
from wire.models import ModelSpec
from wire.process import event_or_timeout

SIZES_MAX = 32
"""How many picture sizes one model is compiled for."""
LINGER_S = 0.5
"""How long an engine that is replaced is kept for the batches that it has begun. Freeing it takes
some 50 ms, in which the loop would do nothing else."""
RETRY_S = 1.0
RETRY_S_MAX = 60.0
log = structlog.stdlib.get_logger("consumers.detector.models")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all places share; `failed` is told of each failure, `changed` of each change."""

    loader: Loader
    executor: Executor
    figures: Figures
    changed: Callable[[], None]
    failed: Callable[[ModelSpec, str], None]
    works: Callable[[ModelSpec], None]


@dataclass(slots=True, kw_only=True, eq=False)
class Place:
    """What is known of one running version, and of the one that shall take over."""

    bench: Bench
    spec: ModelSpec
    peer: Callable[[], Loaded | None]
    """Another place of the same model, whose classes this one's version must have."""
    running: Loaded | None = None
    failure: str | None = None
    _given_up: bool = False
    _closed: bool = False
    _wanted: set[Size] = field(default_factory=set)
    _ready: set[Size] = field(default_factory=set)
    _bad: dict[Size, str] = field(default_factory=dict)
    _donor: Loaded | None = None
    _former: ModelSpec | None = None
    _task: asyncio.Task[None] | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def sizes(self) -> frozenset[Size]:
        """Return the sizes that the running version is ready for."""
        return frozenset(self._ready)

    @property
    def is_loading(self) -> bool:
        """Say whether something is being loaded, warmed or waited for."""
        return self._task is not None

    @property
    def _is_stale(self) -> bool:
        """Whether the wanted version is not the one that runs, and may still be loaded."""
        running = None if self.running is None else self.running.spec
        return not self._given_up and running != self.spec

    @property
    def _cold(self) -> frozenset[Size]:
        """The sizes that the running version is still to be made ready for."""
        if self.running is None:
            return frozenset()
        return frozenset(self._wanted - self._ready - self._bad.keys())

    def want(
        self, spec: ModelSpec, *, donor: Loaded | None = None, former: ModelSpec | None = None
    ) -> None:
        """Make `spec` the version to run; `donor` may run it already, in another place.

        What runs or is being loaded is left alone; what failed is tried again. `former` is loaded
        when `spec` fails and nothing runs.
        """
        self._former = former
        if spec != self.spec or self.failure is not None:
            self.spec, self.failure, self._given_up = spec, None, False
            self._donor = donor
            self._news.set()
        self._bad.clear()
        if self.running is not None:
            self._start()

    def warm(self, sizes: frozenset[Size]) -> None:
        """Load the version for these sizes, before anyone asks."""
        self._wanted |= sizes
        self._start()

    def answer(self, size: Size) -> Answer:
        """Say whether pictures of this size can run now; start what is needed for it."""
        if self.running is not None and size in self._ready:
            return self.running
        reason = self._bad.get(size) or (self.failure if self.running is None else None)
        if reason is None and size not in self._wanted and len(self._wanted) >= SIZES_MAX:
            reason = f"model {self.spec.model} serves {SIZES_MAX} sizes already"
        if reason is not None:
            return Hopeless(reason=reason)
        if size not in self._wanted:
            self._wanted.add(size)
            self._news.set()
        self._start()
        return Waiting()

    def close(self) -> None:
        """Let the engine go; what is being loaded will not be used."""
        self._closed, self._donor, self._former = True, None, None
        self._news.set()
        self._replace(None)

    async def stop(self) -> None:
        """Wait for no load any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def show(self) -> None:
        """Show the running version among the figures."""
        if self.running is not None:
            self.bench.figures.engine.labels(*_labels(self.running)).set(1)

    def _start(self) -> None:
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._bring_up())

    async def _bring_up(self) -> None:
        """Load and warm until what runs is what is wanted, or is known to be impossible."""
        attempts = 0
        try:
            while not self._closed and (self._is_stale or self._cold):
                if self._cold:
                    await self._warm()  # first of all: frames wait for it
                elif await self._load():
                    attempts = 0
                else:
                    attempts += 1
                    await self._wait(min(RETRY_S_MAX, RETRY_S * 2 ** min(attempts - 1, 10)))
                self.bench.changed()
        finally:
            self._task = None

    async def _wait(self, seconds: float) -> None:
        """Wait before the next attempt, or until another version or size is wanted."""
        await event_or_timeout(self._news, seconds)

    async def _load(self) -> bool:
        """Load, test and warm the wanted version, then swap; return False to be tried again."""
        self._news.clear()
        spec, sizes = self.spec, frozenset(self._ready or self._wanted)
        try:
            engine, bad = await self._made(spec, sizes)
        except Exception as error:  # noqa: BLE001  (told: its frames fail with the reason)
            await self._fall_back(spec)
            self._tell(spec, error)
            return not isinstance(error, Retryable) or self.spec is not spec
        if self.spec is not spec or self._closed:
            return True  # replaced or withdrawn meanwhile
        self.failure = None
        self._use(spec, engine, sizes, bad)
        return True

    async def _fall_back(self, wanted: ModelSpec) -> None:
        """Load the former version where `wanted` has failed and nothing runs."""
        former, sizes = self._former, frozenset(self._wanted)
        if former is None or self.running is not None or self.spec is not wanted or self._closed:
            return
        try:
            engine, bad = await self._made(former, sizes)
        except Exception as error:  # noqa: BLE001  (told: frames fail with the wanted one's reason)
            self._tell(former, error)
            return
        if self.spec is wanted and not self._closed:
            self._use(former, engine, sizes, bad)

    def _use(
        self, spec: ModelSpec, engine: Engine, sizes: frozenset[Size], bad: dict[Size, str]
    ) -> None:
        """Put a tested engine in its place."""
        self._bad, self._ready = dict(bad), set(sizes - bad.keys())
        self._replace(Loaded(spec=spec, engine=engine))
        log.info("model in use", model=spec.model, version=spec.version, engine=engine.name)
        self.bench.works(spec)

    async def _made(
        self, spec: ModelSpec, sizes: frozenset[Size]
    ) -> tuple[Engine, dict[Size, str]]:
        """Return the tested engine of a version, and the sizes that it cannot take."""
        loader, donor, self._donor = self.bench.loader, self._donor, None
        lent = donor.engine if donor is not None and donor.spec == spec else None
        if lent is None and is_url(spec.source):
            await in_daemon(functools.partial(loader.fetch, spec), name="fetch")
        before = self.running or self.peer()
        classes = None if before is None else tuple(before.engine.classes)
        return await self._in_thread(load_and_test, loader, spec, sizes, classes=classes, lent=lent)

    async def _warm(self) -> None:
        """Make the running version ready for the sizes that came up."""
        assert self.running is not None
        running, sizes = self.running, self._cold
        bad = await self._in_thread(prepare_sizes, running.engine, sizes)
        if self.running is running:
            self._bad.update(bad)
            self._ready |= sizes - bad.keys()

    def _tell(self, spec: ModelSpec, error: Exception) -> None:
        """Say that a version failed, to whoever looks: log, metric, frames, operators."""
        reason = str(error) or type(error).__name__
        is_final = not isinstance(error, Retryable)
        log.error(
            "a model does not load",
            model=spec.model,
            version=spec.version,
            exc_info=None if isinstance(error, Rejected | Retryable) else error,
            reason=reason,
            runs=None if self.running is None else self.running.spec.version,
        )
        self.bench.figures.model_failures.labels(spec.model, spec.version).inc()
        if self.spec is spec and not self._closed:
            self.failure = f"model {spec.model} {spec.version} does not load: {reason}"
            self._given_up = is_final
            self.bench.failed(spec, reason)

    def _replace(self, loaded: Loaded | None) -> None:
        if self.running is not None:
            self.bench.figures.engine.remove(*_labels(self.running))
            let_go(self.running.engine, after_s=LINGER_S)
        self.running = loaded
        self.show()

    async def _in_thread(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self.bench.executor, functools.partial(call, *arguments, **named)
        )


def _labels(loaded: Loaded) -> tuple[str, str, str]:
    return loaded.engine.name, loaded.spec.model, loaded.spec.version
