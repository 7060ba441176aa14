"""What happens to the actors of a world: crashes, freezes, rebalances, restarts, time.

Every kind is counted; a schedule draws how often anything happens at all.
"""

from typing import TYPE_CHECKING, TypeVar

from tests.simulation.kafka import PLAIN, Fate

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")
EVENT_RATES = (0.0, 0.02, 0.05, 0.1)
COORDINATOR_LOADS_S = 1.5


class Chaos:
    """Draws an event and lets it happen."""

    __slots__ = ("_world", "rate")

    def __init__(self, world: "World") -> None:
        self._world = world
        self.rate = EVENT_RATES[world.chance.below(4)]

    def strike(self) -> None:
        """Let one thing happen."""
        world = self._world
        kind = EVENTS[world.chance.below(len(EVENTS))]
        world.chance.counts[kind] += 1
        if world.trace:
            world.trace(f"*** {kind}")
        getattr(self, kind.replace(" ", "_"))()

    def owner_crash(self) -> None:
        """Kill and restart an owner."""
        self._some(self._world.owners).crash()

    def owner_stop(self) -> None:
        """Stop an owner in order; it is started again when it has ended."""
        owner = self._some(self._world.owners)
        if owner.over:
            owner.start()
        elif owner.funding.stopping:
            owner.give_up_waiting()
        else:
            owner.stop()

    def owner_ends_session(self) -> None:
        """End a session, as a pause or a change of contract does."""
        self._some(self._world.owners).funding.end("pause")

    def detector_crash(self) -> None:
        """Kill a detector; the group gives its partitions away."""
        world = self._world
        process = world.chance.below(world.detector_count)
        for actor in list(world.lanes):
            if actor.process == process:
                actor.crash()
                world.lanes.remove(actor)
        for index, holder in enumerate(world.holders):
            if holder is not None and holder.closed:
                world.open_lane(index)

    def lane_moves(self) -> None:
        """Move a partition: its lane is told."""
        index = self._world.chance.below(len(self._world.holders))
        holder = self._world.holders[index]
        if holder is not None and not holder.closed:
            holder.report_revoked()
        self._world.open_lane(index)

    def lane_moves_unnoticed(self) -> None:
        """Move a partition while its lane's process does not listen: it goes on as a zombie."""
        world = self._world
        index = world.chance.below(len(world.holders))
        holder = world.holders[index]
        if holder is not None and world.chance.roll() < 0.6:
            holder.frozen_until = world.now + world.chance.seconds(0.2, 3.0)
        if len(world.lanes) < 6:
            world.open_lane(index)

    def detector_freezes(self) -> None:
        """Stop a detector without killing it."""
        world = self._world
        process, until = world.chance.below(world.detector_count), self._until()
        for actor in world.lanes:
            if actor.process == process:
                actor.frozen_until = until

    def zombie_is_told(self) -> None:
        """Tell a lane that is not the holder that its partition is gone."""
        world = self._world
        for actor in world.lanes:
            if actor is not world.holders[actor.index] and not actor.closed:
                actor.report_revoked()
                return

    def connection_lost(self) -> None:
        """Break the connection of a lane's producer."""
        if self._world.lanes:
            self._some(self._world.lanes).fail("connection")

    def broker_restarts(self) -> None:
        """Break every connection; markers may be forgotten, all of a transaction's or some."""
        world, chance = self._world, self._world.chance
        world.generation += 1
        for offset in world.offsets:
            offset.stale_until = world.now + chance.roll() * COORDINATOR_LOADS_S
        for coordinator in world.coordinators:
            if coordinator.unmarked and chance.roll() < 0.7:
                told = len(coordinator.unmarked)
                if chance.roll() < 0.5:
                    chance.counts["markers partly forgotten"] += 1
                    coordinator.forget_some(chance.below(told))
                elif told == 3:
                    chance.counts["markers forgotten"] += 1
                    coordinator.forget()

    def biller_crash(self) -> None:
        """Kill and restart a biller; the group gives its partitions away."""
        world = self._world
        biller = self._some(world.billers)
        biller.crash()
        for partition, reader in enumerate(world.readers):
            if reader is biller:
                self._read_by_another(partition)

    def biller_freezes(self) -> None:
        """Stop a biller without killing it."""
        self._some(self._world.billers).frozen_until = self._until()

    def usage_moves(self) -> None:
        """Move a partition between billers: told in order."""
        world = self._world
        partition = world.chance.below(len(world.readers))
        world.readers[partition].revoke(partition)
        self._read_by_another(partition)

    def usage_moves_unnoticed(self) -> None:
        """Move a partition while its biller does not listen."""
        self._read_by_another(self._world.chance.below(len(self._world.readers)))

    def _read_by_another(self, partition: int) -> None:
        world = self._world
        world.readers[partition] = reader = self._some(world.billers)
        reader.assign(partition)

    def usage_mirrored(self) -> None:
        """Write a usage event once more, as a mirror between clusters may."""
        log = self._some(self._world.usage)
        known = [value for part, value in log.records if part.fate is Fate.COMMITTED]
        if known:
            log.records.append((PLAIN, self._some(known)))

    def ledger_position_reset(self) -> None:
        """Set a biller's position back: it reads all again."""
        world = self._world
        partition = world.chance.below(len(world.readers))
        world.ledger.positions[partition].next_offset = 0
        self._read_by_another(partition)

    def group_position_lost(self) -> None:
        """Forget a detectors' position: it reads all again."""
        world = self._world
        if world.chance.roll() < 0.15:
            index = world.chance.below(len(world.offsets))
            world.offsets[index].value = 0
            world.repeats.add(index)

    def time_passes(self) -> None:
        """Let a moment pass in which nobody does anything."""
        self._world.pass_time(self._world.chance.seconds(0.3, 2.5))

    def much_time_passes(self) -> None:
        """Let so much time pass that sessions lapse; some are quicker than others to go on."""
        world, chance = self._world, self._world.chance
        if chance.roll() < 0.5:  # first the lanes get ahead of the billers
            markers_too = chance.roll() < 0.5
            for _ in range(12):
                for actor in world.lanes:
                    actor.step()
                if markers_too:
                    world.mark_one()
        world.pass_time(chance.seconds(3.0, 40.0))
        if chance.roll() < 0.7:
            for _ in range(7):
                for biller in world.billers:
                    biller.step()
            chance.counts["sessions expired"] += world.ledger.expire(world.now)

    def top_up(self) -> None:
        """Add tokens to an account."""
        ledger = self._world.ledger
        account = self._some(list(ledger.prices))
        ledger.top_up(account, self._world.chance.below(12 * ledger.prices[account]) + 1)

    def _until(self) -> float:
        return self._world.now + self._world.chance.seconds(0.5, 30.0)

    def _some(self, things: "list[T]") -> "T":
        return things[self._world.chance.below(len(things))]


EVENTS = [
    name.replace("_", " ")
    for name, member in vars(Chaos).items()
    if not name.startswith("_") and callable(member) and name != "strike"
] + ["time passes", "much time passes"]
"""All kinds; that time passes is the most frequent."""
