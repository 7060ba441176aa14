"""The models that this detector can run: announced, loaded when a frame needs them, swapped.

Frames wait in the batcher while their model loads, bounded by their own maximum age. A model may
have two versions side by side: the active one and a canary, which has some of the streams. Where
a canary does not run, the active version answers for it, so a canary never costs a frame. Where
the active version does not load, what ran before goes on, or what was active before is loaded.
"""

import os
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from consumers.detector.batching import Group
from consumers.detector.engines.protocol import Loader
from consumers.detector.figures import Figures
from consumers.detector.loading import Answer, Hopeless, Loaded, Waiting
from consumers.detector.versions import SIZES_MAX, Bench, Place
from wire import model_failures
from wire.clock import Clock
from wire.model_failures import REASON_LENGTH_MAX, ModelFailure
from wire.models import ModelSpec, alone, canary_of, former_of, takes_canary

__all__ = ["SIZES_MAX", "Answer", "Hopeless", "Loaded", "Models", "Waiting"]

UNKNOWN_GRACE_S = 1.0
"""How long the first frames of an unknown model wait: its announcement may be on its way."""
UNKNOWN_MAX = 1024
REPORTS_MAX = 256
log = structlog.stdlib.get_logger("consumers.detector.models")


@dataclass(slots=True, kw_only=True)
class _Model:
    """A model's places, and the announcement that shares its streams out between them."""

    active: Place
    canary: Place | None = None
    shares: ModelSpec

    def places(self) -> tuple[Place, ...]:
        return (self.active,) if self.canary is None else (self.active, self.canary)


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
        self._clock = clock
        self._changed = changed
        self._bench = Bench(
            loader=loader,
            executor=executor,
            figures=figures,
            changed=self._settle,
            failed=self._failed,
            works=self._works,
        )
        self._models: dict[str, _Model] = {}
        self._closing: list[Place] = []
        self._unknown_since: dict[str, float] = {}
        self._reports: dict[str, bytes | None] = {}
        self._said: set[str] = set()

    def announce(self, spec: ModelSpec) -> None:
        """Make `spec` the version to run, with its canary beside it; both only when they can."""
        self._unknown_since.pop(spec.model, None)
        active_spec = alone(spec)
        known = self._models.get(spec.model)
        if known is None:
            active = Place(bench=self._bench, spec=active_spec, peer=lambda: None)
            known = self._models[spec.model] = _Model(active=active, shares=spec)
        donor = None if known.canary is None else known.canary.running
        known.active.want(active_spec, donor=donor, former=former_of(spec))
        if spec.canary is None and donor is not None and _is_promoted(known, donor):
            self._changed()
            return  # the canary keeps its streams until the active version is the same
        known.shares = spec
        self._set_canary(known, canary_of(spec) if spec.canary is not None else None)
        self._changed()

    def withdraw(self, model: str) -> None:
        """Forget a model: its frames fail from now on."""
        known = self._models.pop(model, None)
        if known is not None:
            for place in known.places():
                self._close(place)
            log.info("model removed", model=model)
        self._changed()

    def answer(self, group: Group) -> Answer:
        """Say whether a batch of this group can run now; start what is needed for it."""
        known = self._models.get(group.model)
        if known is None:
            return self._unknown(group.model)
        size = (group.height, group.width)
        answer = known.active.answer(size)
        if group.canary and known.canary is not None and known.active.running is not None:
            other = known.canary.answer(size)
            if isinstance(other, Loaded):
                return other
        return answer

    def version(self, model: str) -> str | None:
        """Return the version in use, None when none is."""
        known = self._models.get(model)
        return known.active.running.spec.version if known and known.active.running else None

    def is_canary(self, model: str, stream: str) -> bool:
        """Say whether the frames of this stream are the canary's."""
        known = self._models.get(model)
        return known is not None and takes_canary(known.shares, stream)

    def task(self, model: str) -> str:
        """Return what the model does; `detect` when it is not known."""
        known = self._models.get(model)
        return "detect" if known is None else (known.active.running or known.active).spec.task

    def take_reports(self) -> dict[str, bytes | None]:
        """Return what operators are to be told since the last call: rows for the topic `models`."""
        reports, self._reports = self._reports, {}
        return reports

    async def stop(self) -> None:
        """Wait for no load any more."""
        places = [place for model in self._models.values() for place in model.places()]
        for place in (*places, *self._closing):
            await place.stop()

    def _set_canary(self, known: _Model, spec: ModelSpec | None) -> None:
        if spec is None:
            if known.canary is not None:
                ended = known.canary.spec
                log.info("canary ended", model=ended.model, version=ended.version)
                self._close(known.canary)
                known.canary = None
                known.active.show()
            return
        if known.canary is None:
            active = known.active
            known.canary = Place(bench=self._bench, spec=spec, peer=lambda: active.running)
        known.canary.want(spec, donor=known.active.running)
        if known.active.running is not None:
            known.canary.warm(known.active.sizes)

    def _settle(self) -> None:
        """End the time of canaries that have become the active version, then tell of the change."""
        for known in self._models.values():
            running = known.active.running
            if running is not None and _has_taken_over(known, running):
                known.shares = running.spec
                self._set_canary(known, None)
            for place in known.places():
                place.show()  # two may run the same version for a moment, and one of them ends
        self._closing = [place for place in self._closing if place.is_loading]
        self._changed()

    def _close(self, place: Place) -> None:
        place.close()
        self._closing = [*(each for each in self._closing if each.is_loading), place]

    def _unknown(self, model: str) -> Answer:
        now = self._clock.monotonic()
        if len(self._unknown_since) > UNKNOWN_MAX:
            self._unknown_since.clear()
        since = self._unknown_since.setdefault(model, now)
        if now - since < UNKNOWN_GRACE_S:
            return Waiting()
        return Hopeless(reason=f"model {model} is not registered")

    def _failed(self, spec: ModelSpec, reason: str) -> None:
        """Note for operators that a version does not run here."""
        key = model_failures.key_of(spec.model, spec.version)
        failure = ModelFailure(
            model=spec.model,
            version=spec.version,
            reason=reason[:REASON_LENGTH_MAX],
            detector=f"{socket.gethostname()}/{os.getpid()}",
            at=self._clock.now(),
        )
        self._report(key, model_failures.encode(failure))
        self._said.add(key)

    def _works(self, spec: ModelSpec) -> None:
        """Take back what was said of a version that runs now."""
        key = model_failures.key_of(spec.model, spec.version)
        if key in self._said:
            self._said.discard(key)
            self._report(key, None)

    def _report(self, key: str, value: bytes | None) -> None:
        if len(self._reports) < REPORTS_MAX or key in self._reports:
            self._reports[key] = value


def _is_promoted(known: _Model, donor: Loaded) -> bool:
    """Say whether the running canary is to become the active version."""
    return donor.spec == known.active.spec and known.shares.canary is not None


def _has_taken_over(known: _Model, running: Loaded) -> bool:
    """Say whether the active version, as it was wanted, is what the canary has been."""
    return (
        known.shares.canary is not None
        and running.spec == known.active.spec
        and running.spec == canary_of(known.shares)
    )
