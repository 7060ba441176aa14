"""A registry of models in memory, as strict as the real one where callers can tell."""

import dataclasses

from billing.registry import Registered, Version, changed, check_terms, may_activate
from wire import models
from wire.errors import Rejected, Retryable, UnknownModel
from wire.models import ModelSpec


class MemoryModels:
    """Holds one model to begin with; `away` makes telling the detectors fail."""

    def __init__(self, spec: ModelSpec) -> None:
        version = changed(spec, None, note="", classes=None, refused=None)
        self.lines = {
            spec.model: Registered(
                model=spec.model,
                size_class=spec.size_class,
                task=spec.task,
                active=spec.version,
                versions=(version,),
            )
        }
        self.before: dict[str, str] = {}
        self.away = False
        self.announced = 0

    async def versions(self, model: str | None = None) -> tuple[Registered, ...]:
        return (self._line(model or ""),)

    async def add(self, spec: ModelSpec, *, note: str = "") -> bool:
        models.check(spec)
        line = self.lines.setdefault(
            spec.model,
            Registered(model=spec.model, size_class=spec.size_class, task=spec.task, active=None),
        )
        check_terms(spec, line)
        made = changed(spec, line.version(spec.version), note=note, classes=None, refused=None)
        if made in line.versions:
            return False
        self._set(line, versions=(*line.versions, made))
        return True

    async def activate(self, model: str, version: str) -> bool:
        line = self._line(model)
        may_activate(self._version(line, version), None)
        if line.active == version:
            return False
        self.before[version] = line.active or ""
        self._set(line, active=version)
        return True

    async def rollback(self, model: str, leaving: str) -> str:
        line = self._line(model)
        self._version(line, leaving)
        if line.active == leaving:
            self._set(line, active=self.before[leaving])
        return self._line(model).active or ""

    async def set_canary(self, model: str, version: str, percent: int) -> bool:
        line = self._line(model)
        self._version(line, version)
        self._set(line, canary=version, percent=percent)
        return True

    async def clear_canary(self, model: str) -> bool:
        self._set(self._line(model), canary=None, percent=0)
        return True

    async def announce(self) -> None:
        if self.away:
            raise Retryable("Kafka is away")
        self.announced += 1

    def _line(self, model: str) -> Registered:
        if model not in self.lines:
            raise UnknownModel(f"model {model!r} is not registered here")
        return self.lines[model]

    def _version(self, line: Registered, name: str) -> Version:
        found = line.version(name)
        if found is None:
            raise Rejected(f"model {line.model} has no version {name!r}: add it first")
        return found

    def _set(self, line: Registered, **changes: object) -> None:
        self.lines[line.model] = dataclasses.replace(line, **changes)  # type: ignore[arg-type]
