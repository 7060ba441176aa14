"""Which models can be asked for: `GET /v1/models`, and a short memory of the registry.

A model that was found is believed for some seconds; one that was not is asked for again each
time, so that a new model can be used at once.
"""

from collections import OrderedDict
from typing import Protocol

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from gateway.auth import Authenticator
from gateway.bodies import answer
from gateway.openapi import answers
from wire.clock import Clock
from wire.models import Canary, ModelSpec

MODEL_TTL_S = 10.0
MODELS_MAX = 1_000


class Registry(Protocol):
    """Where models are registered."""

    async def get(self, model: str) -> ModelSpec:
        """Return the active version; raise `UnknownModel`."""
        ...

    async def list(self) -> list[ModelSpec]:
        """Return all of them."""
        ...


class CanaryView(msgspec.Struct, frozen=True, kw_only=True):
    """Another version that has `percent` of a model's streams."""

    version: str
    percent: int


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller is told about a model; where its weights lie is not the caller's business."""

    model: str
    version: str
    size_class: str
    task: str
    confidence: float
    iou: float
    canary: CanaryView | None


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """All models, by name."""

    models: list[ModelView]


class KnownModels:
    """The registry, remembered."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, ModelSpec]] = OrderedDict()

    async def get(self, model: str) -> ModelSpec:
        """Return the model's active version; raise `UnknownModel`."""
        known = self._known.get(model)
        if known is not None and self._clock.monotonic() < known[0]:
            return known[1]
        spec = await self._registry.get(model)
        self._known[model] = (self._clock.monotonic() + MODEL_TTL_S, spec)
        self._known.move_to_end(model)
        while len(self._known) > MODELS_MAX:
            self._known.popitem(last=False)
        return spec


def router(registry: Registry, auth: Authenticator) -> APIRouter:
    """Return the routes about models."""
    routes = APIRouter(tags=["models"])

    @routes.get(
        "/v1/models",
        dependencies=[Depends(auth.requires(None))],
        responses=answers(ModelList),
    )
    async def list_models() -> Response:
        """List the models that can be asked for."""
        specs = sorted(await registry.list(), key=lambda spec: spec.model)
        return answer(ModelList(models=[_view(spec) for spec in specs]))

    return routes


def _view(spec: ModelSpec) -> ModelView:
    return ModelView(
        model=spec.model,
        version=spec.version,
        size_class=spec.size_class,
        task=spec.task,
        confidence=spec.confidence,
        iou=spec.iou,
        canary=None if spec.canary is None else _canary(spec.canary),
    )


def _canary(canary: Canary) -> CanaryView:
    return CanaryView(version=canary.version, percent=canary.percent)
