"""What a replica's lines are called: `api.<account>.<replica>.<n>`, and which images share one."""

import hashlib
from dataclasses import dataclass, field

from wire.frames import Tier
from wire.names import NAME_LENGTH_MAX, VIRTUAL_STREAM_PREFIX
from wire.slicing import Slices

REPLICA_LENGTH_MAX = 48
NUMBER_DIGITS_MAX = 6
ACCOUNT_LENGTH_MAX = (
    NAME_LENGTH_MAX - len(VIRTUAL_STREAM_PREFIX) - REPLICA_LENGTH_MAX - NUMBER_DIGITS_MAX - 2
)
DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class LineKey:
    """What images must share to be frames of one stream: who pays, and the price."""

    account: str
    model: str
    height: int
    width: int
    tier: Tier
    slices: Slices | None = None


@dataclass(slots=True)
class StreamNumbers:
    """The n of `api.<account>.<replica>.<n>`: the least one that no line of ours has."""

    taken: dict[str, set[int]] = field(default_factory=dict)

    def take(self, account: str) -> int:
        """Return a free number, which is taken from now on."""
        taken = self.taken.setdefault(account, set())
        number = next(n for n in range(len(taken) + 1) if n not in taken)
        taken.add(number)
        return number

    def give_back(self, account: str, number: int) -> None:
        """Make a number free again."""
        self.taken[account].discard(number)
        if not self.taken[account]:
            del self.taken[account]


def stream_name(account: str, replica: str, number: int) -> str:
    """Return `api.<account>.<replica>.<n>`; a very long account name is cut and digested."""
    if len(account) > ACCOUNT_LENGTH_MAX:
        digest = hashlib.sha256(account.encode()).hexdigest()[:DIGEST_LENGTH]
        account = f"{account[: ACCOUNT_LENGTH_MAX - DIGEST_LENGTH - 1]}-{digest}"
    return f"{VIRTUAL_STREAM_PREFIX}{account}.{replica}.{number}"
