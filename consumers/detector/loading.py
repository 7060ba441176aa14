"""What a version is once it is loaded, and the blocking work that makes it so.

Promises that an engine which is returned has passed its self-test; sizes that it cannot take are
named with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consumers.detector.engines.protocol import Engine, Loader
from consumers.detector.selftest import Size, self_test
from wire.memory import give_back
from wire.models import ModelSpec


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


def load_and_test(
    loader: Loader,
    spec: ModelSpec,
    sizes: frozenset[Size],
    *,
    classes: Sequence[str] | None,
    lent: Engine | None,
) -> tuple[Engine, dict[Size, str]]:
    """Return the engine of a version, and the sizes that it cannot take.

    `classes` are those of a version that serves meanwhile. `lent` is the engine, where another
    place runs it already. What former versions have left is given back to the system first. The
    thread keeps its usual priority: a low one would hold Python's lock while the engine's threads
    have its core, and everything would wait for it.
    """
    if lent is not None:
        return lent, self_test(lent, spec, sizes, classes)
    give_back()
    engine = loader.load(spec)
    return engine, self_test(engine, spec, sizes, classes)


def prepare_sizes(engine: Engine, sizes: frozenset[Size]) -> dict[Size, str]:
    """Make an engine that serves ready for more sizes; return those that it cannot take."""
    bad: dict[Size, str] = {}
    for height, width in sorted(sizes):
        try:
            engine.prepare(height, width)
        except Exception as error:  # noqa: BLE001  (told: its frames fail with the reason)
            bad[height, width] = f"it cannot run {height}x{width}: {error}"
    return bad
