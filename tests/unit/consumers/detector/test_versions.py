"""Versions that fail, follow each other quickly or run side by side; engines that are freed."""

import asyncio
import gc
import threading
import weakref
from collections import Counter

import msgspec
import pytest

from consumers.detector import versions
from consumers.detector.batching import Group
from consumers.detector.loading import Hopeless, Loaded, Waiting
from tests.unit.consumers.detector.made import NOON
from tests.unit.consumers.detector.scripted import SPEC, MoodyEngine
from tests.unit.consumers.detector.test_models import SMALL, V2, Shelf, until
from wire import model_failures
from wire.errors import Rejected, Retryable
from wire.models import Canary, ModelSpec

SMALL_CANARY = Group(model="park-n", height=64, width=96, canary=True)
V3 = msgspec.structs.replace(SPEC, version="v3")


class Breed(MoodyEngine):
    """Knows other classes, or does another task."""

    def __init__(self, *, task: str = "detect", classes: tuple[str, ...] | None = None) -> None:
        super().__init__()
        self._task = task
        self._classes = classes

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes or super().classes


def with_canary(spec: ModelSpec = SPEC, *, version: str = "v2", percent: int = 50) -> ModelSpec:
    canary = Canary(version=version, source=SPEC.source, percent=percent)
    return msgspec.structs.replace(spec, canary=canary)


async def serving(*engines: tuple[str, MoodyEngine]) -> Shelf:
    """Return a shelf on which v1 runs."""
    shelf = Shelf()
    shelf.loader.engines.update(engines)
    shelf.models.announce(SPEC)
    await shelf.settled()
    return shelf


def runs(shelf: Shelf, group: Group = SMALL) -> str:
    answer = shelf.models.answer(group)
    assert isinstance(answer, Loaded), answer
    return answer.spec.version


def failures(shelf: Shelf, version: str) -> float | None:
    labels = {"model": "park-n", "version": version}
    return shelf.figures.registry.get_sample_value(
        "framemeter_detector_model_failures_total", labels
    )


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        (Breed(classes=("cat",)), "other classes"),
        (Breed(task="pose"), "the weights are for pose"),
        (MoodyEngine(bad_size=(64, 96)), "cannot run 64x96"),
        (MoodyEngine(poison=114), "out of memory"),
    ],
    ids=["classes", "task", "size", "grey picture"],
)
async def test_a_version_that_fails_its_test_never_runs_and_everyone_is_told_why(
    engine: MoodyEngine, reason: str
) -> None:
    shelf = await serving(("v2", engine))
    shelf.models.announce(V2)
    await until(lambda: failures(shelf, "v2") == 1)
    assert runs(shelf) == "v1"
    ((key, value),) = shelf.models.take_reports().items()
    assert key == "failure/park-n/v2"
    failure = model_failures.decode(value)
    assert reason in failure.reason
    assert failure.at == NOON
    assert shelf.models.take_reports() == {}


async def test_what_was_reported_is_taken_back_once_the_version_runs() -> None:
    shelf = await serving()
    shelf.loader.failures["v2"] = Rejected("not there yet")
    shelf.models.announce(V2)
    await until(lambda: bool(shelf.models.take_reports()))
    shelf.loader.failures.clear()
    shelf.models.announce(V2)
    await until(lambda: shelf.models.version("park-n") == "v2")
    assert shelf.models.take_reports() == {"failure/park-n/v2": None}


async def test_announcing_the_same_again_loads_nothing() -> None:
    shelf = await serving()
    for _ in range(3):
        shelf.models.announce(SPEC)
    shelf.models.announce(with_canary(percent=10))
    await until(lambda: runs(shelf, SMALL_CANARY) == "v2")
    shelf.models.announce(with_canary(percent=20))
    shelf.models.announce(with_canary(percent=20))
    await until(lambda: not any(place.is_loading for place in shelf.places()))
    assert shelf.loader.loaded == ["v1", "v2"]


async def test_versions_that_follow_each_other_quickly_end_at_the_last() -> None:
    shelf = await serving()
    shelf.loader.gate.clear()
    shelf.models.announce(V2)
    await until(lambda: "v2" in shelf.loader.begun)
    shelf.models.announce(V3)
    shelf.loader.gate.set()
    await until(lambda: shelf.models.version("park-n") == "v3")
    assert runs(shelf) == "v3"
    assert shelf.in_use("v2") is None


async def test_going_back_while_the_next_version_loads_keeps_what_runs() -> None:
    shelf = await serving()
    shelf.loader.gate.clear()
    shelf.models.announce(V2)
    await until(lambda: "v2" in shelf.loader.begun)
    shelf.models.announce(SPEC)
    shelf.loader.gate.set()
    await until(lambda: not any(place.is_loading for place in shelf.places()))
    assert runs(shelf) == "v1"
    assert shelf.loader.loaded == ["v1", "v2"]


async def test_weights_whose_server_is_away_are_asked_for_again_while_the_old_version_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(versions, "RETRY_S", 0.01)
    shelf = await serving()
    shelf.loader.away = [Retryable("the server answers 503") for _ in range(3)]
    source = "https://models.example/v2.pt"
    shelf.models.announce(msgspec.structs.replace(V2, source=source, sha256="a" * 64))
    await until(lambda: failures(shelf, "v2") == 1)
    assert runs(shelf) == "v1"
    await until(lambda: shelf.models.version("park-n") == "v2")
    assert shelf.loader.fetched == ["v2"] * 4
    assert failures(shelf, "v2") == 3


async def test_without_an_old_version_frames_fail_with_what_is_away() -> None:
    shelf = Shelf()
    shelf.loader.away = [Retryable("the server answers 503")]
    shelf.models.announce(msgspec.structs.replace(SPEC, source="https://models.example/v1.pt"))
    answer = await shelf.settled()
    assert isinstance(answer, Hopeless)
    assert "503" in answer.reason
    shelf.models.announce(SPEC)
    await until(lambda: not isinstance(shelf.models.answer(SMALL), Hopeless))
    assert isinstance(await shelf.settled(), Loaded), "another announcement ends the wait"


async def test_a_canary_has_its_share_and_the_active_version_answers_where_it_cannot() -> None:
    shelf = await serving()
    shelf.loader.gate.clear()
    shelf.models.announce(with_canary(percent=30))
    streams = [f"cam{number}" for number in range(200)]
    few = {name for name in streams if shelf.models.is_canary("park-n", name)}
    assert 30 <= len(few) <= 90
    assert runs(shelf, SMALL_CANARY) == "v1", "it does not run yet"
    shelf.loader.gate.set()
    await until(lambda: runs(shelf, SMALL_CANARY) == "v2")
    assert runs(shelf) == "v1"
    assert (shelf.in_use("v1"), shelf.in_use("v2")) == (1, 1)
    shelf.models.announce(with_canary(percent=60))
    more = {name for name in streams if shelf.models.is_canary("park-n", name)}
    assert few < more, "who was on the canary's side stays there"
    shelf.models.announce(SPEC)
    assert runs(shelf, SMALL_CANARY) == "v1", "there is none any more"
    assert not any(shelf.models.is_canary("park-n", name) for name in streams)
    assert (shelf.in_use("v1"), shelf.in_use("v2")) == (1, None)


async def test_a_canary_that_fails_is_told_and_costs_no_frame() -> None:
    shelf = await serving(("v2", Breed(classes=("cat",))))
    shelf.models.announce(with_canary())
    await until(lambda: failures(shelf, "v2") == 1)
    assert runs(shelf, SMALL_CANARY) == "v1"
    large = Group(model="park-n", height=640, width=640, canary=True)
    assert isinstance(shelf.models.answer(large), Waiting)
    await until(lambda: isinstance(shelf.models.answer(large), Loaded))
    assert runs(shelf, large) == "v1"
    assert failures(shelf, "v2") == 1


async def test_a_canary_that_is_promoted_takes_over_without_being_loaded_again() -> None:
    shelf = await serving()
    shelf.models.announce(with_canary(percent=50))
    await until(lambda: runs(shelf, SMALL_CANARY) == "v2")
    seen: Counter[str] = Counter()
    shelf.models.announce(V2)
    while shelf.models.version("park-n") != "v2":
        seen[runs(shelf, SMALL_CANARY)] += 1
        await asyncio.sleep(0)
    assert set(seen) <= {"v2"}, "the canary's streams did not go back to the old version"
    assert runs(shelf) == runs(shelf, SMALL_CANARY) == "v2"
    assert shelf.loader.loaded == ["v1", "v2"]
    assert (shelf.in_use("v1"), shelf.in_use("v2")) == (None, 1)
    shelf.models.announce(with_canary(V2, version="v1", percent=5))
    await until(lambda: runs(shelf, SMALL_CANARY) == "v1")


async def test_engines_that_are_replaced_are_freed() -> None:
    shelf = await serving()
    shelf.loader.engines.clear()
    gone: list[weakref.ref[MoodyEngine]] = []

    def load(spec: ModelSpec) -> MoodyEngine:
        engine = MoodyEngine()
        gone.append(weakref.ref(engine))
        return engine

    shelf.loader.load = load  # type: ignore[method-assign]
    for number in range(100):
        version = f"w{number}"
        shelf.models.announce(msgspec.structs.replace(SPEC, version=version))
        await until(lambda wanted=version: shelf.models.version("park-n") == wanted)  # type: ignore[misc]
    await until(lambda: not any(place.is_loading for place in shelf.places()))
    gc.collect()
    await until(lambda: all(ref() is None for ref in gone[:-1]))
    assert gone[-1]() is not None
    samples = [s for m in shelf.figures.engine.collect() for s in m.samples]
    assert len(samples) == 1, "figures of what is gone are gone"
    shelf.models.withdraw("park-n")
    gc.collect()
    await until(lambda: gone[-1]() is None)


async def test_an_engine_is_freed_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "LINGER_S", 0.05)
    freed_in: list[int] = []

    class Heavy(MoodyEngine):
        def __del__(self) -> None:
            freed_in.append(threading.get_ident())

    shelf = await serving(("v1", Heavy()))
    shelf.loader.engines.clear()
    shelf.models.announce(V2)
    await until(lambda: runs(shelf) == "v2")
    await until(lambda: bool(freed_in))
    assert freed_in[0] != threading.get_ident()
