"""The error tree, split by what the loop that meets an error must do.

FramemeterError
├── Retryable      a broker, a store or a camera is away: wait and try again
├── Rejected       this input can never be processed: dead letter, recorded, free
├── Refused        a recorded outcome for the caller: no tokens, unknown model, not allowed
│   ├── InsufficientTokens
│   ├── UnknownModel
│   ├── UnknownAccount
│   ├── NotAllowed
│   └── SessionOver
└── Misconfigured  exit at start; the message says how to mend it

Programmer errors are assertions, not members of this tree.
"""

from typing import ClassVar


class FramemeterError(Exception):
    """The root of everything that we raise on purpose."""


class Retryable(FramemeterError):
    """Something that we depend on is away; the same call may succeed later."""


class Rejected(FramemeterError):
    """The input itself is broken; trying again cannot help."""


class Refused(FramemeterError):
    """A rule says no. The message is written for the caller; `slug` names the rule on the wire."""

    slug: ClassVar[str] = "refused"


class InsufficientTokens(Refused):
    """The account cannot pay for what was asked."""

    slug = "insufficient-tokens"


class UnknownModel(Refused):
    """No such model is registered here; nothing was spent."""

    slug = "unknown-model"


class UnknownAccount(Refused):
    """No such account, or it is not the caller's."""

    slug = "unknown-account"


class NotAllowed(Refused):
    """The caller's key has not the scope for this, or the thing belongs to someone else."""

    slug = "not-allowed"


class SessionOver(Refused):
    """The session is closed, expired or superseded by a newer epoch; open a new one."""

    slug = "session-over"


class Misconfigured(FramemeterError):
    """The process cannot run as it was told to; the message says what to change."""


REFUSALS: dict[str, type[Refused]] = {
    kind.slug: kind
    for kind in (InsufficientTokens, UnknownModel, UnknownAccount, NotAllowed, SessionOver)
}
"""Every refusal by its slug, so that a client can raise what the server raised."""
