"""Protocol bugs, planted one at a time by replacing one method or constant: each must be found.

Those of the lane, the biller, the funding and the ledger's decisions replace product code. Those
of the shells (the order of a lane's opening, the check before a commit, how a watermark is told,
what the janitor waits for) replace what this simulation mirrors of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from billing import batches, charging, grants
from billing.coverage import Coverage
from billing.protocol import BillerProtocol, ReadToEnd
from billing.protocol import Phase as BillerPhase
from consumers.detector.lane import Lane, Phase, Transact
from consumers.detector.passed import Passed
from pipeline.allowance import Allowance
from pipeline.contract import Close
from pipeline.funding import Funding
from tests.simulation import biller, ledger, producer
from tests.simulation.ledger import Ledger
from tests.simulation.rows import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One bug: each (target, attribute) becomes what is wrong."""

    name: str
    patches: tuple[tuple[Any, str, Any], ...]


@contextmanager
def planted(bug: Planted) -> Iterator[None]:
    """Have the bug for a while."""
    right = [vars(target)[attribute] for target, attribute, _ in bug.patches]
    for target, attribute, wrong in bug.patches:
        setattr(target, attribute, wrong)
    try:
        yield
    finally:
        for (target, attribute, _), value in zip(bug.patches, right, strict=True):
            setattr(target, attribute, value)


_transact = Lane._transact
_close = grants.close
_closing = Funding._closing
_void = Lane._void
_claimed = BillerProtocol.claimed


def _one_too_far(lane: Any) -> Any:
    return tuple(
        replace(action, next_offset=action.next_offset + 1)
        if isinstance(action, Transact)
        else action
        for action in _transact(lane)
    )


def _same_era(lane: Any) -> None:
    era = lane.era
    _void(lane)
    lane.era = era


def _keeps_work(lane: Any) -> None:
    lane.era += 1


def _takes_always(lane: Any) -> bool:
    return lane.phase is not Phase.CLOSED


def _two_at_once(lane: Any) -> Any:
    if lane.phase is Phase.COMMITTING:
        lane.phase = Phase.READY
    return _transact(lane)


def _keeps_offset(lane: Any, era: int, offset: int) -> Any:
    if era != lane.era or lane.phase is not Phase.OPENING:
        return ()
    return _opened(lane, era, lane._next_take or offset)


_opened = Lane._opened


def _keeps_fetched(protocol: Any, partition: int, era: int, owner: int, offset: int) -> Any:
    actions = _claimed(protocol, partition, era, owner, offset)
    if actions:
        protocol._partitions[partition].era = era
    return actions


def _no_new_claim(protocol: Any, partition: int, era: int) -> Any:
    state = protocol._current(partition, era)
    if state is None or state.phase is BillerPhase.CLAIMING:
        return _failed(protocol, partition, era)
    state.phase = BillerPhase.READY
    return []


_failed = BillerProtocol.failed


def _fenced_ignored(protocol: Any, partition: int, era: int) -> Any:
    state = protocol._current(partition, era)
    if state is not None:
        state.phase = BillerPhase.READY
    return []


def _all_is_fresh(covered: Any, start: int, end: int) -> Any:
    _add(covered, start, end)
    return [(start, end)]


_add = Coverage.add


def _whatever_was_fetched(consumer: Any, _look: Any, full: bool, now: float) -> Any:
    return None if full else ReadToEnd(at=moment(now), offset=consumer.position)


def _stable_end(consumer: Any) -> Any:
    if consumer.polled_at is None:
        return None
    return consumer.polled_at, consumer.polled_stable


def _hands_out_after_failure(funding: Any, place: Any) -> None:
    if funding.grant is None or place.epoch != funding.grant.epoch:
        return
    funding._in_flight.discard(place.seq)
    funding._lose(place.seq)


def _calls_doubt_known(funding: Any) -> Any:
    close = _closing(funding)
    request = close.request
    known = request.last_seq + request.in_doubt
    changed = type(request)(
        last_seq=known, captured=request.captured, reason=request.reason, in_doubt=0
    )
    return Close(epoch=close.epoch, request=changed)


def _never_lapses(allowance: Any, published: int, *, now: float, asked_at: Any) -> int:
    if allowance._is_halted(now, asked_at):
        return 0
    return int(allowance.grant.granted_frames - published)


def _beyond_the_balance(asks: Any, *, available: int, sessions: int) -> Any:
    return [grants.Extension(frames=ask.missing, final=False) for ask in asks]


def _forgets_doubt(session: Any, *, last_seq: int, in_doubt: int) -> Any:
    return _close(session, last_seq=last_seq, in_doubt=0)


def _releases_all(session: Any, *, last_seq: int, in_doubt: int) -> Any:
    return replace(_close(session, last_seq=last_seq, in_doubt=in_doubt), held_frames=0)


def _settles_early(session: Any) -> bool:
    if session.state != "closing" or session.last_seq is None:
        return False
    return bool(session.covered.contains(0, session.last_seq + 1))


def _expires_at_once(self: Any, now: float) -> int:
    for position in self.positions:
        position.watermark = moment(now + 1)
    return _expire(self, now)


_expire = Ledger.expire

BUGS = [
    Planted(name=name, patches=tuple(patches))
    for name, *patches in (
        ("lane commits an offset one too far", (Lane, "_transact", _one_too_far)),
        ("lane starts no new era on failure", (Lane, "_void", _same_era)),
        ("lane keeps its work over a failure", (Lane, "_void", _keeps_work)),
        ("lane takes messages while it waits", (Lane, "takes", property(_takes_always))),
        ("lane transacts while one is running", (Lane, "_transact", _two_at_once)),
        ("lane goes on from where it was", (Lane, "_opened", _keeps_offset)),
        ("lane commits copies", (Passed, "add", lambda passed, key: True)),
        (
            "lane reads its offset before the fence",
            (producer, "OPENING", ("read", "ask", "fence", "mend", "commit", "scrub", "abort")),
        ),
        ("lane does not scrub", (producer, "OPENING", ("ask", "fence", "mend", "commit", "read"))),
        (
            "lane does not mend a torn commit",
            (producer, "OPENING", ("ask", "fence", "scrub", "abort", "read")),
        ),
        ("lane reads an offset that is not stable", (producer, "STABLE_READ", False)),
        ("lane commits what is too old", (producer, "overdue", lambda *_: False)),
        (
            "biller keeps what was fetched before a seek",
            (BillerProtocol, "claimed", _keeps_fetched),
        ),
        ("biller reads on after a failed write", (BillerProtocol, "failed", _no_new_claim)),
        ("biller reads on when it is fenced", (BillerProtocol, "fenced", _fenced_ignored)),
        ("ledger ignores the owner epoch", (Ledger, "owns", lambda *_: True)),
        ("biller forgets coverage", (Coverage, "add", _all_is_fresh)),
        (
            "biller ignores the next offset and coverage",
            (batches, "after", lambda batch, _: batch),
            (Coverage, "add", _all_is_fresh),
        ),
        ("watermark told by what was fetched", (biller.Consumer, "reached", _whatever_was_fetched)),
        ("watermark told at the stable end", (biller.Consumer, "look", _stable_end)),
        ("janitor does not wait for the watermark", (Ledger, "expire", _expires_at_once)),
        ("janitor does not wait for a frame's age", (ledger, "FRAME_AGE_S", -5.0)),
        ("session settles with frames in doubt", (charging, "_is_settled", _settles_early)),
        ("funding goes on after a failed send", (Funding, "failed", _hands_out_after_failure)),
        ("funding takes a failed send for sent", (Funding, "failed", Funding.acked)),
        ("funding calls frames in doubt known", (Funding, "_closing", _calls_doubt_known)),
        ("funding spends a grant that has lapsed", (Allowance, "left", _never_lapses)),
        ("funding goes on though told to stop", (Allowance, "miss", lambda _: None)),
        ("grant goes beyond the balance", (grants, "share", _beyond_the_balance)),
        ("close releases frames in doubt", (grants, "close", _forgets_doubt)),
        ("close releases frames on their way", (grants, "close", _releases_all)),
    )
]
"""Found by name on the command line."""
