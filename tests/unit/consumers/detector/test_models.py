"""Models are loaded once, warmed beside the old version, and swapped."""

import asyncio
import gc
from collections.abc import Callable

import msgspec
import pytest

from consumers.detector.batching import Group
from consumers.detector.models import SIZES_MAX, UNKNOWN_GRACE_S, Hopeless, Loaded, Models, Waiting
from consumers.detector.versions import Place
from tests.unit.consumers.detector.made import NOON
from tests.unit.consumers.detector.scripted import POOL, SPEC, MoodyEngine, ScriptedLoader, figures
from wire.clock import ManualClock
from wire.errors import Rejected

SMALL = Group(model="park-n", height=64, width=96)
LARGE = Group(model="park-n", height=640, width=640)
V2 = msgspec.structs.replace(SPEC, version="v2")


class Shelf:
    """Models with a scripted loader and a clock that stands still."""

    def __init__(self) -> None:
        self.loader = ScriptedLoader()
        self.clock = ManualClock(NOON)
        self.figures = figures()
        self.changes = 0
        self.models = Models(
            loader=self.loader,
            executor=POOL,
            clock=self.clock,
            figures=self.figures,
            changed=self._changed,
        )

    def _changed(self) -> None:
        self.changes += 1

    async def settled(self, group: Group = SMALL) -> Loaded | Hopeless:
        """Return the answer once it is no longer `Waiting`."""
        await until(lambda: not isinstance(self.models.answer(group), Waiting))
        answer = self.models.answer(group)
        assert not isinstance(answer, Waiting)
        return answer

    def places(self) -> tuple[Place, ...]:
        """Return where versions run."""
        return tuple(place for model in self.models._models.values() for place in model.places())

    def in_use(self, version: str) -> float | None:
        labels = {"engine": "fake", "model": "park-n", "version": version}
        return self.figures.registry.get_sample_value("framemeter_detector_engine_info", labels)


async def until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come true")


async def test_a_model_is_loaded_when_its_first_frame_comes_and_only_once() -> None:
    shelf = Shelf()
    shelf.models.announce(SPEC)
    assert shelf.loader.loaded == []
    assert isinstance(shelf.models.answer(SMALL), Waiting)
    answer = await shelf.settled()
    assert isinstance(answer, Loaded)
    assert answer.spec == SPEC
    await shelf.settled(LARGE)
    assert shelf.loader.loaded == ["v1"]
    assert shelf.models.version("park-n") == "v1"
    assert shelf.in_use("v1") == 1


async def test_the_loop_goes_on_while_a_model_loads() -> None:
    shelf = Shelf()
    shelf.loader.gate.clear()
    shelf.models.announce(SPEC)
    shelf.models.answer(SMALL)
    await asyncio.sleep(0.05)
    assert isinstance(shelf.models.answer(SMALL), Waiting)
    shelf.loader.gate.set()
    assert isinstance(await shelf.settled(), Loaded)
    assert shelf.changes >= 2


async def test_a_new_version_loads_beside_the_old_one_and_takes_its_place() -> None:
    shelf = Shelf()
    shelf.models.announce(SPEC)
    await shelf.settled()
    shelf.loader.gate.clear()
    shelf.models.announce(V2)
    await asyncio.sleep(0.02)
    still = shelf.models.answer(SMALL)
    assert isinstance(still, Loaded)
    assert still.spec == SPEC
    shelf.loader.gate.set()
    await until(lambda: shelf.models.version("park-n") == "v2")
    assert isinstance(shelf.models.answer(SMALL), Loaded), "the size was warmed before the swap"
    assert (shelf.in_use("v1"), shelf.in_use("v2")) == (None, 1)


async def test_a_new_version_that_does_not_load_leaves_the_old_one() -> None:
    shelf = Shelf()
    shelf.loader.failures["v2"] = Rejected("not a model")
    shelf.models.announce(SPEC)
    await shelf.settled()
    shelf.models.announce(V2)
    await until(lambda: "v2" in shelf.loader.loaded)
    await asyncio.sleep(0.02)
    assert shelf.models.version("park-n") == "v1"
    assert isinstance(await shelf.settled(LARGE), Loaded)


@pytest.mark.parametrize(
    "failure", [Rejected("not a model"), RuntimeError("cuda"), OSError("disk")]
)
async def test_a_model_that_does_not_load_fails_its_frames_with_the_reason(
    failure: Exception,
) -> None:
    shelf = Shelf()
    shelf.loader.failures["v1"] = failure
    shelf.models.announce(SPEC)
    answer = await shelf.settled()
    assert isinstance(answer, Hopeless)
    assert str(failure) in answer.reason
    await shelf.settled()
    assert shelf.loader.loaded == ["v1"]
    await until(lambda: not shelf.models._models["park-n"].active.is_loading)


async def test_announcing_again_tries_again() -> None:
    shelf = Shelf()
    shelf.loader.failures["v1"] = Rejected("not there yet")
    shelf.models.announce(SPEC)
    assert isinstance(await shelf.settled(), Hopeless)
    shelf.loader.failures.clear()
    shelf.models.announce(SPEC)
    assert isinstance(await shelf.settled(), Loaded)


async def test_a_size_that_the_model_cannot_take_fails_alone() -> None:
    shelf = Shelf()
    shelf.loader.engines["v1"] = MoodyEngine(bad_size=(640, 640))
    shelf.models.announce(SPEC)
    assert isinstance(await shelf.settled(SMALL), Loaded)
    answer = await shelf.settled(LARGE)
    assert isinstance(answer, Hopeless)
    assert "640x640" in answer.reason
    assert isinstance(await shelf.settled(SMALL), Loaded)


async def test_an_unknown_model_is_waited_for_once_and_briefly() -> None:
    shelf = Shelf()
    assert isinstance(shelf.models.answer(SMALL), Waiting)
    shelf.clock.advance(UNKNOWN_GRACE_S)
    answer = shelf.models.answer(SMALL)
    assert answer == Hopeless(reason="model park-n is not registered")
    assert isinstance(shelf.models.answer(LARGE), Hopeless), "the grace is over for all of them"
    shelf.models.announce(SPEC)
    assert isinstance(await shelf.settled(), Loaded)


async def test_a_withdrawn_model_is_unknown_again() -> None:
    shelf = Shelf()
    shelf.models.announce(SPEC)
    await shelf.settled()
    shelf.models.withdraw("park-n")
    shelf.models.answer(SMALL)
    shelf.clock.advance(UNKNOWN_GRACE_S)
    assert isinstance(shelf.models.answer(SMALL), Hopeless)
    assert shelf.in_use("v1") is None
    shelf.models.withdraw("never-there")


async def test_one_model_is_compiled_for_a_bounded_number_of_sizes() -> None:
    shelf = Shelf()
    shelf.models.announce(SPEC)
    for step in range(1, SIZES_MAX + 1):
        await shelf.settled(Group(model="park-n", height=32 * step, width=64))
    answer = shelf.models.answer(Group(model="park-n", height=32, width=32))
    assert isinstance(answer, Hopeless)


async def test_stopping_while_a_model_loads_does_not_wait_for_it() -> None:
    shelf = Shelf()
    shelf.loader.gate.clear()
    shelf.models.announce(SPEC)
    shelf.models.answer(SMALL)
    await asyncio.sleep(0.02)
    await shelf.models.stop()
    shelf.loader.gate.set()


async def test_a_model_withdrawn_while_it_loads_is_not_put_into_use() -> None:
    shelf = Shelf()
    shelf.loader.gate.clear()
    shelf.models.announce(SPEC)
    shelf.models.answer(SMALL)
    await asyncio.sleep(0.02)
    shelf.models.withdraw("park-n")
    shelf.loader.gate.set()
    await until(lambda: "v1" in shelf.loader.loaded)
    await asyncio.sleep(0.05)
    assert shelf.in_use("v1") is None
    assert shelf.loader.loaded == ["v1"]


async def test_a_background_failure_is_never_left_unseen() -> None:
    unseen: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    usual = loop.get_exception_handler()
    gc.collect()  # what other tests have left behind is told to the usual handler
    loop.set_exception_handler(lambda _, context: unseen.append(context))
    try:
        shelf = Shelf()
        shelf.loader.failures["v1"] = Rejected("not a model")
        shelf.models.announce(SPEC)
        await shelf.settled()
        await asyncio.sleep(0.02)
        gc.collect()
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(usual)
    assert unseen == []
