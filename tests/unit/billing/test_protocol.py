"""The biller's protocol, driven through crashes, fences and rebalances by a simulated world."""

from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from billing.protocol import (
    Action,
    BillerProtocol,
    Claim,
    CommitOffset,
    MoveWatermark,
    Phase,
    ReadToEnd,
    Seek,
    WriteBatch,
)

NOW = datetime(2026, 3, 4, tzinfo=UTC)


class World(RuleBasedStateMachine):
    """Two members, one partition of a growing log, and a ledger that fences as PostgreSQL does.

    Members act on their own beliefs; each action is carried out now, later, or twice as a failure
    whose outcome is unknown. Kafka may assign the partition to either, also to both for a while.
    """

    @initialize()
    def start(self) -> None:
        self.members = [BillerProtocol(), BillerProtocol()]
        self.pending: list[list[Action]] = [[], []]
        self.read_from = [0, 0]
        self.fetched: list[tuple[int, list[int], ReadToEnd | None] | None] = [None, None]
        self.log = 0
        self.epoch = 0
        self.next_offset = 0
        self.watermarks = 0
        self.charged: list[int] = []

    @rule(count=st.integers(1, 5))
    def produce(self, count: int) -> None:
        self.log += count

    @rule(member=st.integers(0, 1))
    def assign(self, member: int) -> None:
        self.pending[member] += self.members[member].assigned([0])

    @rule(member=st.integers(0, 1))
    def revoke(self, member: int) -> None:
        self.pending[member] += self.members[member].revoked([0])

    @rule(member=st.integers(0, 1), count=st.integers(0, 4))
    def fetch(self, member: int, count: int) -> None:
        """The consumer hands messages out and moves on, whether they will be used or not."""
        protocol = self.members[member]
        if self.fetched[member] is not None or protocol.in_phase(Phase.WRITING):
            return
        start = self.read_from[member]
        offsets = list(range(start, min(start + count, self.log)))
        self.read_from[member] += len(offsets)
        at_end = self.read_from[member] >= self.log
        end = ReadToEnd(at=NOW, offset=self.log) if at_end else None
        self.fetched[member] = (protocol.era(0), offsets, end)

    @rule(member=st.integers(0, 1))
    def deliver(self, member: int) -> None:
        """What was handed out reaches the protocol, perhaps after much else has happened."""
        if self.fetched[member] is not None:
            era, offsets, end = self.fetched[member]
            self.fetched[member] = None
            messages = [(offset, b"") for offset in offsets]
            self.pending[member] += self.members[member].fetched(0, era, messages, end)

    @rule(member=st.integers(0, 1), fails=st.sampled_from(["no", "before", "after"]))
    def carry_out(self, member: int, fails: str) -> None:
        if self.pending[member]:
            self._do(member, self.pending[member].pop(0), fails)

    def _do(self, member: int, action: Action, fails: str) -> None:
        protocol = self.members[member]
        match action:
            case Claim(era=era):
                if fails != "before":
                    self.epoch += 1
                epoch, offset = self.epoch, self.next_offset
                done = (
                    protocol.claimed(0, era, epoch, offset)
                    if fails == "no"
                    else protocol.failed(0, era)
                )
                # A seek is carried out at once, with no await after the claim's answer.
                for seek in [each for each in done if isinstance(each, Seek)]:
                    self.read_from[member] = seek.offset
                self.pending[member] += [each for each in done if not isinstance(each, Seek)]
            case WriteBatch(era=era):
                self.pending[member] += self._write(protocol, action, era, fails)
            case MoveWatermark(era=era):
                if action.owner_epoch == self.epoch:
                    self.watermarks += 1
                else:
                    self.pending[member] += protocol.fenced(0, era)
            case CommitOffset():
                assert action.offset <= self.log

    def _write(
        self, protocol: BillerProtocol, action: WriteBatch, era: int, fails: str
    ) -> list[Action]:
        if fails == "before":
            return protocol.failed(0, era)
        if action.owner_epoch != self.epoch:
            return protocol.fenced(0, era)
        offsets = [offset for offset, _ in action.messages if offset >= self.next_offset]
        self.charged += offsets
        if offsets:
            self.next_offset = offsets[-1] + 1
        if fails == "after":
            return protocol.failed(0, era)
        return protocol.committed(0, era, self.next_offset)

    @invariant()
    def everything_is_charged_once_and_in_order(self) -> None:
        if hasattr(self, "charged"):
            assert self.charged == list(range(len(self.charged)))
            assert len(self.charged) == self.next_offset

    def teardown(self) -> None:
        """Once the faults end, the member that Kafka trusts last reads everything."""
        if not hasattr(self, "members"):
            return
        self.revoke(0)
        self.assign(1)
        for _ in range(40 + self.log):
            while self.pending[1]:
                self._do(1, self.pending[1].pop(0), "no")
            self.fetch(1, 4)
            self.deliver(1)
        assert self.charged == list(range(self.log))
        assert self.watermarks > 0


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=150, stateful_step_count=60)


def ready(protocol: BillerProtocol) -> int:
    """Assign and claim partition 0; return the era."""
    (claim,) = protocol.assigned([0])
    assert isinstance(claim, Claim)
    assert protocol.claimed(0, claim.era, 5, 7) == [Seek(partition=0, offset=7)]
    return protocol.era(0)


def test_messages_that_come_before_the_claim_are_dropped() -> None:
    protocol = BillerProtocol()
    protocol.assigned([0])
    assert protocol.fetched(0, protocol.era(0), [(0, b"")], None) == []


def test_messages_fetched_before_the_seek_are_dropped_though_the_claim_ended_meanwhile() -> None:
    protocol = BillerProtocol()
    (claim,) = protocol.assigned([0])
    assert isinstance(claim, Claim)
    fetched_in = protocol.era(0)
    protocol.claimed(0, claim.era, 5, 7)
    assert protocol.fetched(0, fetched_in, [(100, b"")], None) == []


def test_a_partition_writes_one_batch_at_a_time() -> None:
    protocol = BillerProtocol()
    era = ready(protocol)
    assert len(protocol.fetched(0, era, [(7, b"")], None)) == 1
    assert protocol.fetched(0, era, [(8, b"")], None) == []
    assert protocol.committed(0, era, 8) == [CommitOffset(partition=0, offset=8)]
    assert protocol.in_phase(Phase.READY) == [0]


def test_failures_wait_longer_each_time_until_a_batch_is_in() -> None:
    protocol = BillerProtocol()
    era = ready(protocol)
    waits = []
    for _ in range(8):
        (claim,) = protocol.failed(0, era)
        assert isinstance(claim, Claim)
        era = claim.era
        waits.append(claim.wait_s)
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0]


def test_what_comes_back_after_a_revoke_changes_nothing() -> None:
    protocol = BillerProtocol()
    era = ready(protocol)
    protocol.fetched(0, era, [(7, b"")], None)
    protocol.revoked([0])
    assert protocol.committed(0, era, 8) == []
    assert protocol.fenced(0, era) == []
    assert protocol.failed(0, era) == []
    assert protocol.claimed(0, era, 9, 9) == []


def test_a_fenced_partition_that_is_still_assigned_is_claimed_again_later() -> None:
    protocol = BillerProtocol()
    era = ready(protocol)
    protocol.fetched(0, era, [(7, b"")], None)
    (claim,) = protocol.fenced(0, era)
    assert isinstance(claim, Claim)
    assert claim.wait_s == 1.0


def test_an_idle_partition_tells_its_end_and_its_lag_once() -> None:
    protocol = BillerProtocol()
    era = ready(protocol)
    end = ReadToEnd(at=NOW, offset=9)
    moved = MoveWatermark(partition=0, era=era, owner_epoch=5, at=NOW)
    assert protocol.fetched(0, era, [], end) == [moved, CommitOffset(partition=0, offset=9)]
    assert protocol.fetched(0, era, [], end) == [moved]


def test_an_idle_partition_learns_from_its_watermark_that_another_owns_it() -> None:
    protocol = BillerProtocol()
    era = ready(protocol)
    (moved,) = protocol.fetched(0, era, [], ReadToEnd(at=NOW, offset=7))
    assert isinstance(moved, MoveWatermark)
    (claim,) = protocol.fenced(0, moved.era)
    assert isinstance(claim, Claim)
    assert protocol.fenced(0, moved.era) == [], "an older watermark says nothing any more"
