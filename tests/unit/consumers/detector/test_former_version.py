"""Where the active version of a model does not load, a new detector runs the one before it."""

import msgspec
import pytest

from consumers.detector import versions
from consumers.detector.loading import Hopeless, Waiting
from tests.unit.consumers.detector.scripted import SPEC, GatedEngine
from tests.unit.consumers.detector.test_models import LARGE, SMALL, V2, Shelf, until
from tests.unit.consumers.detector.test_versions import V3, failures, runs, serving
from wire.errors import Rejected, Retryable
from wire.models import Former, ModelSpec


def after_v1(spec: ModelSpec) -> ModelSpec:
    """Return the spec as it is told once it has replaced v1."""
    return msgspec.structs.replace(spec, former=Former(version="v1", source=SPEC.source))


async def test_a_new_detector_runs_the_former_version_where_the_active_one_does_not_load() -> None:
    shelf = Shelf()
    shelf.loader.failures["v2"] = Rejected("not a model")
    former = shelf.loader.engines["v1"] = GatedEngine()
    shelf.models.announce(after_v1(V2))
    assert shelf.models.answer(SMALL) == Waiting()
    await until(lambda: bool(former.calls))
    assert shelf.models.answer(SMALL) == Waiting(), "no frame fails while the former one loads"
    former.gate.set()
    await shelf.settled()
    assert runs(shelf) == "v1"
    assert set(shelf.models.take_reports()) == {"failure/park-n/v2"}
    shelf.models.announce(after_v1(V2))
    await until(lambda: failures(shelf, "v2") == 2)
    assert runs(shelf) == "v1"
    shelf.loader.failures.clear()
    shelf.models.announce(after_v1(V2))
    await until(lambda: runs(shelf) == "v2")
    assert shelf.models.take_reports() == {"failure/park-n/v2": None}
    assert (shelf.in_use("v1"), shelf.in_use("v2")) == (None, 1)


async def test_the_former_version_is_not_loaded_where_something_runs() -> None:
    shelf = await serving()
    shelf.loader.failures["v3"] = Rejected("not a model")
    shelf.models.announce(msgspec.structs.replace(V3, former=Former(version="v2", source="v2")))
    await until(lambda: failures(shelf, "v3") == 1)
    await until(lambda: not any(place.is_loading for place in shelf.places()))
    assert runs(shelf) == "v1"
    assert "v2" not in shelf.loader.begun


async def test_where_neither_loads_frames_fail_with_the_reason_of_the_active_one() -> None:
    shelf = Shelf()
    shelf.loader.failures |= {"v1": Rejected("no such file"), "v2": Rejected("not a model")}
    shelf.models.announce(after_v1(V2))
    answer = await shelf.settled()
    assert isinstance(answer, Hopeless)
    assert "not a model" in answer.reason
    assert failures(shelf, "v1") == failures(shelf, "v2") == 1
    assert set(shelf.models.take_reports()) == {"failure/park-n/v2"}, "v1 is not wanted"


async def test_while_the_server_of_the_weights_is_away_the_former_version_takes_new_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(versions, "RETRY_S", 60.0)
    shelf = Shelf()
    shelf.loader.away = [Retryable("the server answers 503") for _ in range(3)]
    source = "https://models.example/v2.pt"
    shelf.models.announce(after_v1(msgspec.structs.replace(V2, source=source, sha256="a" * 64)))
    await shelf.settled()
    assert runs(shelf) == "v1"
    await shelf.settled(LARGE)
    assert runs(shelf, LARGE) == "v1", "it does not wait for the next attempt"
    shelf.loader.away.clear()
    shelf.models.announce(after_v1(msgspec.structs.replace(V2, source=source, sha256="b" * 64)))
    await until(lambda: runs(shelf) == "v2")
    assert runs(shelf, LARGE) == "v2"
