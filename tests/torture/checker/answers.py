"""Rules about HTTP: what was answered 200 was paid as announced, and nobody pays unasked.

An answer does not name its frame. So the answers of one account on one set of terms are counted
against the detected frames of the gateways' streams on the same terms; each such stream's session
has a price, which every answer must have announced. A request that failed may still be paid for:
its frame ends as it ends.
"""

from collections import Counter
from collections.abc import Iterator

from tests.torture.checker.evidence import Evidence
from tests.torture.checker.ledger import Row
from tests.torture.checker.messages import Terms
from tests.torture.observations import HttpAnswer

VIRTUAL = "api."
Asked = tuple[Terms, str]
"""The terms and the tier."""


def announced(it: Evidence) -> Iterator[str]:
    """An answer announces the price of a session on its terms, or nothing for a cached one."""
    prices: dict[Asked, set[int]] = {}
    for (stream, _), session in it.sessions.items():
        if stream.startswith(VIRTUAL):
            asked = (_terms_of(session), session["tier"])
            prices.setdefault(asked, set()).add(session["unit_price"])
    for answer in _good(it):
        allowed = {0} if answer.cached else prices.get(_asked(answer), set())
        if answer.millitokens not in allowed:
            yield (
                f"{answer.account} {answer.key}: {answer.millitokens} announced,"
                f" possible were {sorted(allowed)}"
            )


def charged(it: Evidence) -> Iterator[str]:
    """There is a detected frame for every answer 200 that was not cached."""
    answered = Counter(_asked(answer) for answer in _good(it) if not answer.cached)
    detected = _detected(it)
    for asked, count in answered.items():
        if count > detected[asked]:
            yield f"{count} answers and only {detected[asked]} paid frames of {asked}"


def asked_for(it: Evidence) -> Iterator[str]:
    """There is no more paid for than was asked for, counting every attempt."""
    attempts = Counter(_asked(answer) for answer in it.seen.answers)
    for asked, count in _detected(it).items():
        if count > attempts[asked]:
            yield f"{count} paid frames and only {attempts[asked]} requests of {asked}"


def remaining(it: Evidence) -> Iterator[str]:
    """Nobody is told that they have less than nothing."""
    for answer in it.seen.answers:
        if answer.remaining_millitokens is not None and answer.remaining_millitokens < 0:
            yield f"{answer.account} {answer.key}: {answer.remaining_millitokens} remaining"


def _good(it: Evidence) -> Iterator[HttpAnswer]:
    """Yield one answer 200 for each key: a repeat under the same key is the same answer."""
    seen: set[tuple[str, str]] = set()
    for answer in it.seen.answers:
        if answer.status == 200 and (answer.account, answer.key) not in seen:
            seen.add((answer.account, answer.key))
            yield answer


def _detected(it: Evidence) -> Counter[Asked]:
    return Counter(
        (it.published[frame].terms, it.published[frame].tier)
        for frame, event in it.billed.items()
        if event.status == "detected" and frame[0].startswith(VIRTUAL) and frame in it.published
    )


def _asked(answer: HttpAnswer) -> Asked:
    terms = Terms(
        account=answer.account, model=answer.model, height=answer.height, width=answer.width
    )
    return terms, answer.tier


def _terms_of(row: Row) -> Terms:
    return Terms(
        account=row["account"], model=row["model"], height=row["height"], width=row["width"]
    )


RULES = {
    "http.announced": announced,
    "http.charged": charged,
    "http.asked_for": asked_for,
    "http.remaining": remaining,
}
