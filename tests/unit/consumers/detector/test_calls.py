"""Calls on which an engine fails are repeated in halves; only the picture at fault is lost."""

import asyncio
import threading
import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.detector.calls import Answers, EngineCalls
from consumers.detector.decode import Pictures, empty_batch
from consumers.detector.engines.protocol import Objects
from consumers.detector.watchdog import Watchdog
from tests.unit.consumers.detector.scripted import POOL, MoodyEngine, figures
from wire.clock import SystemClock

POISON = 255


async def infer(engine: MoodyEngine, pictures: Pictures) -> Answers:
    calls = EngineCalls(executor=POOL, watchdog=Watchdog(0), clock=SystemClock(), figures=figures())
    return await calls.infer(engine, pictures)


def pictures(*, count: int, bad: frozenset[int] = frozenset()) -> Pictures:
    batch = empty_batch(count, 8, 8)
    batch[:] = np.arange(count, dtype=np.uint8)[:, None, None, None]
    for index in bad:
        batch[index] = POISON
    return batch


async def test_a_good_batch_is_one_call_and_tells_its_time() -> None:
    engine = MoodyEngine()
    done = await infer(engine, pictures(count=8))
    assert engine.calls == [8]
    assert done.seconds is not None
    assert len(done.answers) == 8


async def test_out_of_memory_on_eight_but_not_on_four_costs_one_call() -> None:
    engine = MoodyEngine(batch_max=4)
    done = await infer(engine, pictures(count=8))
    assert engine.calls == [8, 4, 4]
    assert all(isinstance(answer, tuple) for answer in done.answers)
    assert done.seconds is None, "its time says nothing about a batch of eight"


@settings(max_examples=30)
@given(st.integers(1, 16).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_only_the_pictures_at_fault_fail(case: tuple[int, set[int]]) -> None:
    count, bad = case
    engine = MoodyEngine(poison=POISON)
    calls = EngineCalls(executor=POOL, watchdog=Watchdog(0), clock=SystemClock(), figures=figures())
    done = calls._infer(engine, pictures(count=count, bad=frozenset(bad)))
    failed = {index for index, answer in enumerate(done.answers) if isinstance(answer, str)}
    assert failed == bad
    assert len(done.answers) == count


class Stingy(MoodyEngine):
    """Answers for all pictures but the last, unless there is only one."""

    def infer(self, pictures: Pictures) -> list[Objects]:
        answers = super().infer(pictures)
        return answers[:-1] if len(pictures) > 1 else answers


async def test_too_few_answers_are_a_failure_of_the_batch_not_of_its_pictures() -> None:
    engine = Stingy()
    done = await infer(engine, pictures(count=4))
    assert engine.calls == [4, 2, 1, 1, 2, 1, 1]
    assert all(isinstance(answer, tuple) for answer in done.answers)


class Mute(MoodyEngine):
    """Answers for nothing."""

    def infer(self, pictures: Pictures) -> list[Objects]:
        return []


async def test_an_engine_without_answers_fails_each_picture_with_that_reason() -> None:
    done = await infer(Mute(), pictures(count=2))
    assert done.answers == ("the engine failed: 0 answers for 1 pictures",) * 2


async def test_the_watchdog_sees_the_call_and_not_what_waits_for_a_thread() -> None:
    seen: list[int] = []

    class Looking(MoodyEngine):
        def infer(self, pictures: Pictures) -> list[Objects]:
            seen.append(len(watchdog._calls))
            assert threading.get_ident() in watchdog._calls
            return super().infer(pictures)

    watchdog = Watchdog(60)
    calls = EngineCalls(executor=POOL, watchdog=watchdog, clock=SystemClock(), figures=figures())
    await calls.infer(Looking(), pictures(count=1))
    assert seen == [1]
    assert not watchdog._calls


async def test_of_two_batches_at_a_time_each_counts_only_what_it_adds() -> None:
    """Two calls of 0.1 s that overlap cost the batches after them no more than they took."""
    both, figured = threading.Barrier(2), figures()

    class Meeting(MoodyEngine):
        def infer(self, pictures: Pictures) -> list[Objects]:
            both.wait(10)
            time.sleep(0.1)
            return super().infer(pictures)

    clock = SystemClock()
    calls = EngineCalls(executor=POOL, watchdog=Watchdog(0), clock=clock, figures=figured)
    begun = clock.monotonic()
    done = await asyncio.gather(*(calls.infer(Meeting(), pictures(count=2)) for _ in range(2)))
    took = clock.monotonic() - begun
    assert sum(answers.seconds or 0 for answers in done) <= took
    busy = figured.registry.get_sample_value("framemeter_detector_engine_seconds_total")
    assert busy is not None
    assert 0.1 <= busy <= took
