"""The models that this detector can run: announced, loaded, warmed, swapped.

A version is loaded once, in a thread, when its first frame comes or it replaces one in use;
frames wait meanwhile in the batcher, bounded by their own maximum age. A new version is warmed
for every size that the old one serves and takes its place between two batches. One that does
not load leaves the old one in place; without an old one its frames fail with the reason.
"""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import structlog

from consumers.detector.batching import Group
from consumers.detector.engines.protocol import Engine, Loader
from consumers.detector.figures import Figures
from wire.clock import Clock
from wire.errors import Rejected
from wire.models import ModelSpec, takes_canary

UNKNOWN_GRACE_S = 1.0
"""How long the first frames of an unknown model wait: its announcement may be on its way."""
SIZES_MAX = 32
"""How many picture sizes one model is compiled for."""
log = structlog.stdlib.get_logger("consumers.detector.models")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model in memory."""

    spec: ModelSpec
    engine: Engine


@dataclass(frozen=True, slots=True)
class Waiting:
    """The model is being loaded or may still be announced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hopeless:
    """Frames of this model or size cannot be run; why."""

    reason: str


Answer = Loaded | Waiting | Hopeless


Size = tuple[int, int]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class _Model:
    """What is known of one model: the version that is wanted, and the one that runs."""

    spec: ModelSpec
    failure: str | None = None
    active: Loaded | None = None
    wanted: set[Size] = field(default_factory=set)
    ready: set[Size] = field(default_factory=set)
    bad: dict[Size, str] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None

    @property
    def stale(self) -> bool:
        """Whether the wanted version is not the one that runs, and may still be loaded."""
        return self.failure is None and (self.active is None or self.active.spec != self.spec)

    @property
    def cold(self) -> frozenset[Size]:
        """The sizes that the running version is still to be made ready for."""
        if self.active is None:
            return frozenset()
        return frozenset(self.wanted - self.ready - self.bad.keys())


class Models:
    """Every announced model, and the engines that are loaded."""

    def __init__(
        self,
        *,
        loader: Loader,
        executor: Executor,
        clock: Clock,
        figures: Figures,
        changed: Callable[[], None],
    ) -> None:
        """`changed` is called when a group's answer may have become another."""
        self._loader = loader
        self._executor = executor
        self._clock = clock
        self._figures = figures
        self._changed = changed
        self._models: dict[str, _Model] = {}
        self._unknown_since: dict[str, float] = {}

    def announce(self, spec: ModelSpec) -> None:
        """Make `spec` the version to run; one that is in use is replaced when it is warm."""
        self._unknown_since.pop(spec.model, None)
        known = self._models.setdefault(spec.model, _Model(spec=spec))
        known.spec, known.failure = spec, None
        known.bad.clear()
        if known.active is not None:
            self._start(known)
        self._changed()

    def withdraw(self, model: str) -> None:
        """Forget a model: its frames fail from now on."""
        known = self._models.pop(model, None)
        if known is not None:
            self._replace(known, None)
            log.info("model removed", model=model)
        self._changed()

    def answer(self, group: Group) -> Answer:
        """Say whether a batch of this group can run now; start what is needed for it."""
        known = self._models.get(group.model)
        size = (group.height, group.width)
        if known is None:
            return self._unknown(group.model)
        if known.active is not None and size in known.ready:
            return known.active
        reason = known.bad.get(size) or (known.failure if known.active is None else None)
        if reason is None and size not in known.wanted and len(known.wanted) >= SIZES_MAX:
            reason = f"model {group.model} serves {SIZES_MAX} sizes already"
        if reason is not None:
            return Hopeless(reason=reason)
        known.wanted.add(size)
        self._start(known)
        return Waiting()

    def version(self, model: str) -> str | None:
        """Return the version in use, None when none is."""
        known = self._models.get(model)
        return known.active.spec.version if known and known.active else None

    def is_canary(self, model: str, stream: str) -> bool:
        """Say whether the frames of this stream are the canary's."""
        known = self._models.get(model)
        return known is not None and takes_canary(known.spec, stream)

    def task(self, model: str) -> str:
        """Return what the model does; `detect` when it is not known."""
        known = self._models.get(model)
        return known.spec.task if known is not None else "detect"

    async def stop(self) -> None:
        """Wait for no load any more."""
        tasks = [model.task for model in self._models.values() if model.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _unknown(self, model: str) -> Answer:
        now = self._clock.monotonic()
        if len(self._unknown_since) > 1024:
            self._unknown_since.clear()
        since = self._unknown_since.setdefault(model, now)
        if now - since < UNKNOWN_GRACE_S:
            return Waiting()
        return Hopeless(reason=f"model {model} is not registered")

    def _is_known(self, known: _Model) -> bool:
        """Say whether the model was not withdrawn meanwhile."""
        return self._models.get(known.spec.model) is known

    def _start(self, known: _Model) -> None:
        if known.task is None:
            known.task = asyncio.create_task(self._bring_up(known))

    async def _bring_up(self, known: _Model) -> None:
        """Load and warm until what runs is what is wanted, or is known to be impossible."""
        try:
            while self._is_known(known) and (known.stale or known.cold):
                await (self._load(known) if known.stale else self._warm(known))
                self._changed()
        finally:
            known.task = None

    async def _load(self, known: _Model) -> None:
        """Load the wanted version, warm it for the sizes in use, then swap."""
        spec = known.spec
        sizes = frozenset(known.ready or known.wanted)
        try:
            engine = await self._in_thread(self._loader.load, spec)
            bad = await self._in_thread(_prepare, engine, sizes)
        except Exception as error:  # its frames fail with the reason
            log.error(
                "a model does not load",
                model=spec.model,
                version=spec.version,
                exc_info=not isinstance(error, Rejected),
                reason=str(error),
            )
            if known.spec is spec:
                known.failure = f"model {spec.model} {spec.version} does not load: {error}"
            return
        if known.spec is not spec or not self._is_known(known):
            return  # replaced or withdrawn meanwhile
        known.bad = dict(bad)
        known.ready = set(sizes - bad.keys())
        self._replace(known, Loaded(spec=spec, engine=engine))
        log.info("model in use", model=spec.model, version=spec.version, engine=engine.name)

    async def _warm(self, known: _Model) -> None:
        """Make the running version ready for the sizes that came up."""
        assert known.active is not None
        active, sizes = known.active, known.cold
        bad = await self._in_thread(_prepare, active.engine, sizes)
        if known.active is active:
            known.bad.update(bad)
            known.ready |= sizes - bad.keys()

    def _replace(self, known: _Model, loaded: Loaded | None) -> None:
        for shown, value in ((known.active, 0), (loaded, 1)):
            if shown is not None:
                labels = (shown.engine.name, shown.spec.model, shown.spec.version)
                self._figures.engine.labels(*labels).set(value)
        known.active = loaded

    async def _in_thread(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._executor, functools.partial(call, *arguments, **named)
        )


def _prepare(engine: Engine, sizes: frozenset[Size]) -> dict[Size, str]:
    """Warm the engine up for each size; return those that it cannot take, with the reason."""
    bad: dict[Size, str] = {}
    for height, width in sorted(sizes):
        try:
            engine.prepare(height, width)
        except Exception as error:  # noqa: BLE001  (counted: its frames fail with the reason)
            bad[height, width] = f"it cannot run {height}x{width}: {error}"
    return bad
