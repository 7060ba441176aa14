"""One schedule from beginning to end: trouble, healing, draining, and the promises checked.

After healing nothing fails any more: everyone must come to an end within a bounded number of
steps, and then every published frame has one outcome and every token is where it belongs.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from billing import batches
from billing.ledger import Purse
from consumers.detector import metering
from tests.simulation.kafka import Fate
from tests.simulation.rows import FRAME_AGE_S, OVERDUE_S, SLACK_S, TTL_S, Violation
from tests.simulation.world import LATE_S, World

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS_LEAST = 60
STEPS_MORE = 90
WORK_MORE = 50
ROUNDS_MAX = 600


@contextmanager
def simulated() -> "Iterator[None]":
    """Scale a time of the product down to the simulation's, and take usage events undecoded.

    JSON has its own tests; here it would only cost speed.
    """
    module: Any = batches
    codec, overdue_s = module.usage, metering.OVERDUE_S
    module.usage = SimpleNamespace(decode_envelope=lambda told: told)
    metering.OVERDUE_S = OVERDUE_S
    try:
        yield
    finally:
        module.usage, metering.OVERDUE_S = codec, overdue_s


def simulate(seed: int, counts: Counter[str], trace: Callable[[str], None] | None = None) -> World:
    """Run the schedule of this seed; raise `Violation` (or an assertion) where a promise breaks."""
    world = World(seed, counts, trace)
    world.run(STEPS_LEAST + world.chance.below(STEPS_MORE))
    world.work_on(world.chance.below(WORK_MORE))
    heal(world)
    drain(world)
    check(world)
    counts["frames"] += sum(len(frames) for frames in world.inputs)
    counts["sessions"] += len(world.ledger.sessions)
    counts["charges"] += world.ledger.charges
    return world


def heal(world: World) -> None:
    """End all trouble: one detector and one biller are left, and owners stop."""
    chance = world.chance
    chance.calm = True
    world.markers_s = 0.5
    for owner in world.owners:
        owner.frozen_until = 0.0
        if chance.roll() < 0.5:
            owner.stop()
    for actor in world.lanes:
        actor.frozen_until = 0.0
        if chance.roll() < 0.5:
            actor.report_revoked()
        else:
            actor.crash()
    for biller in world.billers:
        biller.frozen_until = 0.0
        if chance.roll() < 0.5:
            biller.crash()
    if world.trace:
        world.trace("*** all trouble ends")


def drain(world: World) -> None:
    """Let everyone finish, then let everything expire."""
    if world.chance.roll() < 0.3:
        world.pass_time(LATE_S + 0.1)
    for index in range(len(world.inputs)):
        world.open_lane(index)
    last = world.billers[0]
    for biller in world.billers[1:]:
        biller.crash()
    for partition in range(len(world.usage)):
        world.readers[partition] = last
        last.assign(partition)
    owners_end(world)
    world.pass_time(LATE_S + 0.1)
    until(world, lanes_step, detected, "detectors do not come to the end of their input")
    until(world, billers_step, billed, "the biller does not come to the end of usage")
    world.pass_time(TTL_S + FRAME_AGE_S + SLACK_S + 1.0)
    until(world, janitor_step, expired, "sessions do not come to their end")


def owners_end(world: World) -> None:
    """Let every owner stop and be heard, while the lanes go on."""
    for owner in world.owners:
        owner.stop()
        for turn in range(80):
            if owner.over:
                break
            owner.step()
            lanes_step(world)
            if turn > 15:
                world.pass_time(0.3)
        else:
            raise Violation(f"{owner.name} does not come to its end")


def until(
    world: World,
    step: Callable[[World], None],
    done: Callable[[World], bool],
    otherwise: str,
) -> None:
    """Take steps until it is so; there is a bound, for standing still breaks a promise too."""
    for _ in range(ROUNDS_MAX):
        if done(world):
            return
        step(world)
    raise Violation(otherwise)


def lanes_step(world: World) -> None:
    """Let every lane do one thing, and one marker be written."""
    for actor in world.lanes:
        if not actor.closed:
            actor.step()
    world.mark_one()


def billers_step(world: World) -> None:
    """Let the biller do a few things; lanes mind what is undecided."""
    if any(log.stable_end() < len(log.records) for log in world.usage):
        lanes_step(world)
    biller = world.billers[0]
    for _ in range(3):
        biller.step()
    world.pass_time(0.05)


def janitor_step(world: World) -> None:
    """Let the biller look for the end, and the janitor work."""
    billers_step(world)
    world.ledger.expire(world.now)


def detected(world: World) -> bool:
    """Say whether every input is committed to its end, and decided."""
    return all(
        offset.value >= len(frames) and offset.pending is None and not coordinator.unmarked
        for offset, frames, coordinator in zip(
            world.offsets, world.inputs, world.coordinators, strict=True
        )
    )


def billed(world: World) -> bool:
    """Say whether all usage is decided, and in the ledger."""
    return all(
        log.stable_end() == len(log.records)
        and all(part.fate is not Fate.COMMITTED for part, _ in log.records[position.next_offset :])
        for log, position in zip(world.usage, world.ledger.positions, strict=True)
    )


def expired(world: World) -> bool:
    """Say whether no session is open or closing."""
    return all(row.state in ("settled", "expired") for row in world.ledger.sessions.values())


def check(world: World) -> None:
    """Check what must be true in the end."""
    check_detections(world)
    check_coverage(world)
    ledger = world.ledger
    for account, purses in ledger.purses.items():
        if purses[Purse.HELD] or purses[Purse.RECEIVABLE]:
            raise Violation(f"{account} ends with {purses}")
        if purses[Purse.AVAILABLE] + purses[Purse.REVENUE] != ledger.issued[account]:
            raise Violation(f"{account}: {ledger.issued[account]} issued, but {purses}")


def check_detections(world: World) -> None:
    """Every message once and in order, by what readers of committed data see."""
    for index, frames in enumerate(world.inputs):
        detections = world.column(index)[0].committed()
        keys = {frame.key for frame in frames}
        seen = [it for it in detections if it is not None and it.key in keys]
        if {it.key for it in seen} != keys and index not in world.holes:
            raise Violation(f"input {index}: frames without a detection")
        if index in world.repeats:
            continue
        offsets = [it.offset for it in seen]
        if any(after <= before for before, after in pairwise(offsets)):
            raise Violation(f"input {index}: detections of {offsets}: twice, or out of order")
        if len({(it.key, it.life) for it in seen}) != len(seen):
            raise Violation(f"input {index}: a lane did not pass over a copy")


def check_coverage(world: World) -> None:
    """Every published frame is accounted for, and nothing else; a settled session has no holes.

    Where a broker lost what was committed, the hole is seen: its session never settles.
    """
    published: dict[tuple[str, int], set[int]] = {}
    lossy: set[str] = set()
    for index, frames in enumerate(world.inputs):
        for stream, epoch, seq in (frame.key for frame in frames):
            published.setdefault((stream, epoch), set()).add(seq)
            if index in world.holes:
                lossy.add(stream)
    for key, row in world.ledger.sessions.items():
        numbers, covered = published.get(key, set()), row.covered
        there = sum(covered.contains(seq, seq + 1) for seq in numbers)
        if covered.frames() != there:
            raise Violation(f"{key}: published {numbers}, yet accounted for {covered}")
        ended = row.last_seq is not None and covered.contains(0, row.last_seq + 1)
        if row.state == "settled" and not ended:
            raise Violation(f"{key} is settled at {row.last_seq} with {covered}")
        if key[0] in lossy:
            continue
        if there != len(numbers):
            raise Violation(f"{key}: published {numbers}, accounted for {covered}")
        if row.last_seq is not None and not ended:
            raise Violation(f"{key}: closed at {row.last_seq} with holes: {covered}")
