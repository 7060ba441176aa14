"""Rules about sessions: paid before published, complete when over, and then holding nothing."""

from collections import defaultdict
from collections.abc import Iterator

from tests.torture.checker.evidence import Evidence, covered
from tests.torture.checker.ledger import Row
from tests.torture.checker.messages import SessionKey, Terms, spelled

IS_OVER = ("settled", "expired")
NAMED_MAX = 12


def opened(it: Evidence) -> Iterator[str]:
    """Every frame belongs to a session that was opened, on its terms."""
    for frame in it.published.values():
        session = it.sessions.get(frame.id[:2])
        if session is None:
            yield f"{spelled(frame.id)} belongs to no session"
            continue
        told = (frame.terms, frame.tier)
        kept = (_terms_of(session), session["tier"])
        if told != kept:
            yield f"{spelled(frame.id)} says {told}, its session {kept}"


def funded(it: Evidence) -> Iterator[str]:
    """No frame is published that no grant has paid for."""
    for frame in it.published.values():
        session = it.sessions.get(frame.id[:2])
        if session is not None and frame.id[2] >= session["granted_frames"]:
            yield f"{spelled(frame.id)} was published under {session['granted_frames']} granted"


def bounded(it: Evidence) -> Iterator[str]:
    """After a close nothing comes but what it said, frames in doubt among them."""
    for frame in it.published.values():
        session = it.sessions.get(frame.id[:2])
        if session is None or session["last_seq"] is None:
            continue
        end = session["last_seq"] + session["in_doubt"]
        if frame.id[2] > end:
            yield f"{spelled(frame.id)} was published; its session ends with {end}"


def numbered(it: Evidence) -> Iterator[str]:
    """A session's frames have no holes: up to its last one, or up to the last that is there."""
    there: dict[SessionKey, set[int]] = defaultdict(set)
    partition: dict[SessionKey, int] = {}
    for frame in it.published.values():
        there[frame.id[:2]].add(frame.id[2])
        partition[frame.id[:2]] = frame.partition
    for key, session in it.sessions.items():
        complete = it.is_complete(partition[key]) if key in partition else not it.forgotten
        if not complete:
            continue
        last = session["last_seq"]
        end = max(there[key], default=-1) + 1 if last is None else last + 1
        missing = [seq for seq in range(end) if seq not in there[key]]
        if missing:
            yield f"{spelled((*key, end - 1))} is the last; never published: {_some(missing)}"


def covers_usage(it: Evidence) -> Iterator[str]:
    """What a session counts as accounted for is exactly what usage says of it."""
    spoken: dict[SessionKey, set[int]] = defaultdict(set)
    for stream, epoch, seq in it.billed:
        spoken[stream, epoch].add(seq)
    for key, session in it.sessions.items():
        counted = {seq for part in covered(session) for seq in part}
        if counted != spoken[key]:
            yield (
                f"{key[0]}/{key[1]}: not counted {_some(spoken[key] - counted)};"
                f" counted without usage {_some(counted - spoken[key])}"
            )
    for key in spoken.keys() - it.sessions.keys():
        yield f"{key[0]}/{key[1]} has usage and was never opened"


def over(it: Evidence) -> Iterator[str]:
    """Every session has come to its end; a newer epoch's stream has no older one open."""
    for (stream, epoch), session in it.sessions.items():
        if session["state"] not in IS_OVER:
            yield f"{stream}/{epoch} is still {session['state']}"


def settled(it: Evidence) -> Iterator[str]:
    """A settled session has no hole: all its frames are accounted for."""
    for (stream, epoch), session in it.sessions.items():
        if session["state"] != "settled":
            continue
        counted = {seq for part in covered(session) for seq in part}
        last = session["last_seq"]
        end = -1 if last is None else last
        missing = [seq for seq in range(end + 1) if seq not in counted]
        if last is None or missing:
            yield f"{stream}/{epoch} is settled up to {last} without {_some(missing)}"


def holds_nothing(it: Evidence) -> Iterator[str]:
    """A session that is over holds nothing."""
    for (stream, epoch), session in it.sessions.items():
        if session["state"] in IS_OVER and session["held_frames"]:
            yield f"{stream}/{epoch} is {session['state']}, holding {session['held_frames']}"


def _terms_of(session: Row) -> Terms:
    return Terms(
        account=session["account"],
        model=session["model"],
        height=session["height"],
        width=session["width"],
    )


def _some(numbers: "set[int] | list[int]") -> str:
    shown = sorted(numbers)
    more = f" and {len(shown) - NAMED_MAX} more" if len(shown) > NAMED_MAX else ""
    return f"{shown[:NAMED_MAX]}{more}"


RULES = {
    "sessions.opened": opened,
    "sessions.funded": funded,
    "sessions.bounded": bounded,
    "sessions.numbered": numbered,
    "sessions.cover_usage": covers_usage,
    "sessions.over": over,
    "sessions.settled": settled,
    "sessions.hold_nothing": holds_nothing,
}
