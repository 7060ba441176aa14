"""One key, one piece of work, one answer; another request under the key is refused."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from gateway.idempotency import ANSWERS_MAX, KEPT_S, Flights, Ticket, check_key
from gateway.problems import ProblemRaised
from gateway.valkey import Valkey
from tests.unit.gateway.house import NOBODY
from wire.clock import ManualClock
from wire.errors import Rejected

TICKET = Ticket(account="a", key="k", fingerprint="f")
OTHER = Ticket(account="a", key="k", fingerprint="g")


class Bench:
    """Flights without Valkey, and work that is counted and can be held back."""

    def __init__(self, valkey: Valkey, clock: ManualClock) -> None:
        self.clock = clock
        self.flights = Flights(valkey, clock, running_max=3, claim_s=60)
        self.done = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def work(self) -> bytes:
        await self.gate.wait()
        self.done += 1
        if self.error is not None:
            raise self.error
        return f"answer {self.done}".encode()

    async def run(self, ticket: Ticket | None, timeout_s: float = 1.0) -> bytes:
        return await self.flights.run(ticket, self.work, timeout_s=timeout_s)

    async def problem(self, ticket: Ticket | None, timeout_s: float = 1.0) -> tuple[int, str]:
        with pytest.raises(ProblemRaised) as caught:
            await self.run(ticket, timeout_s)
        return caught.value.problem.status, caught.value.problem.slug


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = ManualClock(datetime(2026, 11, 24, tzinfo=UTC))
    valkey = Valkey(Redis.from_url(NOBODY), clock)
    yield Bench(valkey, clock)
    await valkey.close()


async def test_a_repeat_gets_the_first_answer(bench: Bench) -> None:
    assert await bench.run(TICKET) == await bench.run(TICKET) == b"answer 1"


async def test_without_a_key_every_request_is_work(bench: Bench) -> None:
    assert [await bench.run(None), await bench.run(None)] == [b"answer 1", b"answer 2"]


async def test_repeats_at_the_same_time_wait_for_the_same_work(bench: Bench) -> None:
    bench.gate.clear()
    both = asyncio.gather(bench.run(TICKET), bench.run(TICKET))
    await asyncio.sleep(0)
    bench.gate.set()
    assert await both == [b"answer 1", b"answer 1"]


async def test_the_key_of_another_account_is_another_key(bench: Bench) -> None:
    await bench.run(TICKET)
    assert await bench.run(Ticket(account="b", key="k", fingerprint="f")) == b"answer 2"


async def test_another_request_under_the_key_is_refused_before_and_after(bench: Bench) -> None:
    bench.gate.clear()
    first = asyncio.create_task(bench.run(TICKET))
    await asyncio.sleep(0)
    assert await bench.problem(OTHER) == (422, "key-reused")
    bench.gate.set()
    await first
    assert await bench.problem(OTHER) == (422, "key-reused")
    assert bench.done == 1


async def test_a_failure_is_not_kept(bench: Bench) -> None:
    bench.error = Rejected("broken")
    with pytest.raises(Rejected):
        await bench.run(TICKET)
    bench.error = None
    assert await bench.run(TICKET) == b"answer 2"


async def test_a_caller_who_gave_up_finds_the_answer_later(bench: Bench) -> None:
    bench.gate.clear()
    assert await bench.problem(TICKET, timeout_s=0.02) == (504, "timeout")
    bench.gate.set()
    assert await bench.run(TICKET) == b"answer 1"
    assert bench.done == 1


async def test_answers_are_forgotten_after_a_day(bench: Bench) -> None:
    await bench.run(TICKET)
    bench.clock.advance(KEPT_S)
    assert await bench.run(TICKET) == b"answer 2"


async def test_the_memory_of_answers_is_bounded(bench: Bench) -> None:
    for number in range(ANSWERS_MAX + 1):
        await bench.run(Ticket(account="a", key=str(number), fingerprint="f"))
    assert await bench.run(Ticket(account="a", key="1", fingerprint="f")) == b"answer 2"
    assert await bench.run(Ticket(account="a", key="0", fingerprint="f")) != b"answer 1"


async def test_no_more_work_runs_than_may(bench: Bench) -> None:
    bench.gate.clear()
    running = [asyncio.create_task(bench.run(None)) for _ in range(3)]
    await asyncio.sleep(0)
    assert await bench.problem(None) == (503, "unavailable")
    bench.gate.set()
    await asyncio.gather(*running)
    assert await bench.run(None)


async def test_draining_waits_for_work_and_then_ends_it(bench: Bench) -> None:
    running = asyncio.create_task(bench.run(TICKET))
    await asyncio.sleep(0)
    await bench.flights.drain(1.0)
    assert await running == b"answer 1"
    bench.gate.clear()
    stuck = asyncio.create_task(bench.run(None))
    await asyncio.sleep(0)
    await bench.flights.drain(0.01)
    with pytest.raises(asyncio.CancelledError):
        await stuck


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\nb"])
def test_a_key_is_short_printable_ascii(key: str) -> None:
    with pytest.raises(Rejected):
        check_key(key)
    assert check_key("2f1c-order 7") == "2f1c-order 7"
