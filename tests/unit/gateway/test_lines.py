"""Lines open when needed, are shared, numbered, bounded, and closed when idle or refused."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lines import LineLimits, Lines
from gateway.problems import ProblemRaised
from gateway.virtual_streams import REPLICA_LENGTH_MAX, LineKey, stream_name
from pipeline.line import Contract
from wire.clock import ManualClock
from wire.errors import InsufficientTokens
from wire.frames import Tier
from wire.names import NAME_LENGTH_MAX, is_name

CONTRACT = Contract(
    account="a",
    stream="api.a.r1.0",
    model="m",
    height=640,
    width=640,
    tier=Tier.STANDARD,
    max_age_ms=7_000,
    frames_per_second=0.0,
)


@dataclass
class MemoryLine:
    """A line that only remembers."""

    stream: str
    unit_price: int | None = 1_000
    unspent_frames: int = 3
    available: int | None = 5_000
    balance_version: int | None = 1
    closed: str = ""
    kept_alive: int = 0
    contract: Contract = CONTRACT

    def amend(self, contract: Contract) -> None:
        assert contract.price_terms == self.contract.price_terms
        assert contract.max_age_ms == self.contract.max_age_ms
        self.contract = contract

    async def keep_alive(self) -> None:
        self.kept_alive += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.kept_alive -= 1

    async def close(self, reason: str) -> None:
        self.closed = reason


@dataclass
class Bench:
    """Lines of at most two, idle after 30 s."""

    made: list[MemoryLine] = field(default_factory=list)
    clock: ManualClock = field(
        default_factory=lambda: ManualClock(datetime(2026, 11, 24, tzinfo=UTC))
    )

    def __post_init__(self) -> None:
        limits = LineLimits(lines_max=2, idle_s=30.0)
        self.lines = Lines(self._make, replica="r1", clock=self.clock, limits=limits)

    def _make(self, key: LineKey, stream: str) -> MemoryLine:
        self.made.append(MemoryLine(stream))
        return self.made[-1]

    async def use(self, key: LineKey) -> None:
        async with self.lines.use(key):
            await asyncio.sleep(0)


def key(account: str = "a", *, height: int = 640) -> LineKey:
    return LineKey(account=account, model="m", height=height, width=640, tier=Tier.STANDARD)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.lines.stop()
    assert all(line.closed for line in bench.made)
    assert all(line.kept_alive == 0 for line in bench.made)


async def test_images_at_one_price_share_a_line_and_others_do_not(bench: Bench) -> None:
    await asyncio.gather(bench.use(key()), bench.use(key()), bench.use(key(height=320)))
    assert [line.stream for line in bench.made] == ["api.a.r1.0", "api.a.r1.1"]
    assert [line.kept_alive for line in bench.made] == [1, 1]


async def test_an_idle_line_is_closed_and_its_number_used_again(bench: Bench) -> None:
    await bench.use(key())
    bench.clock.advance(29.0)
    await bench.lines.close_idle()
    assert bench.made[0].closed == ""
    bench.clock.advance(1.0)
    await bench.lines.close_idle()
    assert bench.made[0].closed == "idle"
    await bench.use(key(height=320))
    assert bench.made[1].stream == "api.a.r1.0"


async def test_a_line_in_use_is_never_idle(bench: Bench) -> None:
    async with bench.lines.use(key()):
        bench.clock.advance(100.0)
        await bench.lines.close_idle()
        assert bench.made[0].closed == ""


async def test_a_refused_line_is_let_go_so_that_the_next_try_starts_anew(bench: Bench) -> None:
    with pytest.raises(InsufficientTokens):
        async with bench.lines.use(key()):
            raise InsufficientTokens("no tokens")
    assert bench.made[0].closed == "refused"
    assert len(bench.lines) == 0


async def test_a_refused_line_stays_while_another_uses_it(bench: Bench) -> None:
    async with bench.lines.use(key()):
        with pytest.raises(InsufficientTokens):
            async with bench.lines.use(key()):
                raise InsufficientTokens("no tokens")
        assert bench.made[0].closed == ""


async def test_the_line_that_is_idle_for_longest_makes_room(bench: Bench) -> None:
    for account in ("a", "b"):
        await bench.use(key(account))
        bench.clock.advance(1.0)
    await bench.use(key("c"))
    await asyncio.sleep(0)
    assert [line.closed for line in bench.made] == ["room for another", "", ""]
    assert len(bench.lines) == 2


async def test_when_all_lines_are_in_use_there_is_no_room(bench: Bench) -> None:
    async with bench.lines.use(key("a")), bench.lines.use(key("b")):
        with pytest.raises(ProblemRaised) as caught:
            await bench.use(key("c"))
    assert caught.value.problem.status == 503


async def test_unused_lines_of_an_account_are_freed_for_another_of_it(bench: Bench) -> None:
    await bench.use(key("a"))
    await bench.use(key("b"))
    assert not await bench.lines.free("a", but=key("a"))
    assert await bench.lines.free("a", but=key("a", height=320))
    assert [line.closed for line in bench.made] == ["tokens are needed elsewhere", ""]


async def test_a_line_that_two_free_at_once_is_closed_once(bench: Bench) -> None:
    await bench.use(key())
    other = key(height=320)
    freeing = [bench.lines.free("a", but=other) for _ in range(2)]
    using = bench.use(key())
    await asyncio.gather(*freeing, using)
    assert [line.stream for line in bench.made] == ["api.a.r1.0", "api.a.r1.1"]
    assert [line.closed for line in bench.made] == ["tokens are needed elsewhere", ""]


async def test_a_line_in_use_is_not_freed(bench: Bench) -> None:
    async with bench.lines.use(key()):
        assert not await bench.lines.free("a", but=key(height=320))
    assert bench.made[0].closed == ""


async def test_grants_are_sized_for_the_pace_of_the_images(bench: Bench) -> None:
    for _ in range(60):
        for _ in range(20):
            await bench.use(key())
        bench.lines.keep_pace(1.0)
    assert bench.made[0].contract.frames_per_second == pytest.approx(20.0, rel=0.01)
    for _ in range(60):
        bench.lines.keep_pace(1.0)
    assert bench.made[0].contract.frames_per_second < 0.01


async def test_what_is_left_counts_an_accounts_own_lines(bench: Bench) -> None:
    assert bench.lines.newest_available("a") is None
    await bench.use(key())
    await bench.use(key(height=320))
    bench.made[1].balance_version, bench.made[1].available = 2, 4_000
    assert bench.lines.unspent_millitokens("a") == 6_000
    assert bench.lines.newest_available("a") == (2, 4_000)
    assert bench.lines.unspent_millitokens("b") == 0


names = st.from_regex(r"[a-z0-9][a-z0-9._-]*", fullmatch=True).filter(is_name)
replicas = st.from_regex(rf"[a-z0-9][a-z0-9-]{{0,{REPLICA_LENGTH_MAX - 1}}}", fullmatch=True)


@given(names, names, replicas, st.integers(0, 999_999))
def test_every_account_has_stream_names_of_its_own(
    account: str, other: str, replica: str, number: int
) -> None:
    name = stream_name(account, replica, number)
    assert is_name(name) and name.startswith("api.") and name.endswith(f".{replica}.{number}")
    assert (name == stream_name(other, replica, number)) == (account == other)


def test_the_longest_names_of_accounts_are_kept_apart() -> None:
    accounts = ["a" * NAME_LENGTH_MAX, "a" * (NAME_LENGTH_MAX - 1) + "b"]
    names_made = {stream_name(account, "r" * REPLICA_LENGTH_MAX, 999_999) for account in accounts}
    assert len(names_made) == 2
    assert all(is_name(name) for name in names_made)
