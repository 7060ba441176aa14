"""The self-test of a version on this machine, before it is activated anywhere.

Promises that `Rejected` means that the weights are at fault, or are not what they were said to
be; whatever else stands in the way of a test is told, and decides nothing.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from consumers.detector.engines.choose import EngineLoader
from consumers.detector.selftest import self_test
from consumers.detector.settings import DetectorSettings
from consumers.detector.weights import digest, is_url, weights_file
from wire.errors import Misconfigured, Rejected
from wire.models import ModelSpec

VERSION_LENGTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A version that passed its test here, and the classes that it knows."""

    spec: ModelSpec
    classes: tuple[str, ...]


def engine_loader() -> EngineLoader:
    """Return what loads models here, as the detectors' settings say."""
    settings = DetectorSettings()
    return EngineLoader(
        kind=settings.engine,
        threads=settings.engine_threads,
        models_folder=settings.models_folder,
        cache_folder=settings.models_cache,
    )


def why_not_here(loader: EngineLoader, spec: ModelSpec) -> str | None:
    """Return why a version cannot be tested on this machine; None when it can."""
    try:
        loader.check()
    except Misconfigured as error:
        return str(error)
    is_here = (loader.models_folder / spec.source).is_file()
    if is_url(spec.source) or is_here or loader.kind.startswith("fake"):
        return None
    return f"{spec.source} is not on this machine"


def examine(
    loader: EngineLoader, spec: ModelSpec, *, any_task: bool, classes: Sequence[str] | None
) -> Examined:
    """Load and test a version; raise `Rejected` when it fails, `Retryable` when it is away.

    With `any_task` the weights decide the task. `classes` are the active version's.
    """
    loader.fetch(spec)
    try:
        engine = loader.load(spec)
    except (ValueError, RuntimeError, EOFError) as error:
        raise Rejected(f"it does not load: {error}") from error
    if any_task:
        spec = msgspec.structs.replace(spec, task=engine.task)
    self_test(engine, spec, (), classes)
    return Examined(spec=spec, classes=tuple(engine.classes))


def weights_version(source: str) -> str:
    """Return the start of the weights' SHA-256, or the name's when the file is not here."""
    found = source_digest(source) or hashlib.sha256(source.encode()).hexdigest()
    return found[:VERSION_LENGTH]


def source_digest(source: str) -> str:
    """Return the SHA-256 of the weights in a file here; "" when there is none."""
    path = Path(source)
    return digest(weights_file(path)) if weights_file(path).is_file() else ""
