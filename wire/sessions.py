"""What producers and the gateway say to each other about sessions: open, renew, close, grant.

A session `(stream, epoch)` is a price contract; a grant is how many of its frames are paid for.
`granted_frames` counts from frame 0 and only grows: frame `seq` may be published when
`seq < granted_frames`. All calls may be repeated: a renewal tops up to what was asked for.
"""

from enum import StrEnum

import msgspec

from wire import slicing
from wire.clock import Moment
from wire.errors import Rejected
from wire.frames import INT64_MAX, SIDE_STEP, Tier, is_inference_size
from wire.models import TASKS
from wire.names import is_name, name_rule
from wire.slicing import Slices

GRANT_FRAMES_MAX = 10_000
BATCH_IMAGES_MAX = 1_000
REASON_LENGTH_MAX = 200
_COUNT_MAX = INT64_MAX - GRANT_FRAMES_MAX


class WhenUnreachable(StrEnum):
    """What an account's streams do while nobody answers a renewal or a sign of life."""

    STOP = "stop"
    FINISH = "finish"


class OpenSession(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for the stream's next epoch, with `frames` of them paid for.

    Without a `task` it is the model's own; another one is refused. `batch_images` is how many
    images come at once; a tariff may make many of them cheaper. A frame that is cut into `slices`
    costs as much as all of its tiles.
    """

    account: str
    stream: str
    model: str
    height: int
    width: int
    tier: Tier
    frames: int
    task: str | None = None
    batch_images: int = 1
    slices: Slices | None = None


class RenewSession(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Ask that `frames` more than the `published` ones be paid for; also a sign of life.

    `captured` is how many pictures the source gave so far, published or not; `still` how many of
    them were not because nothing moved.
    """

    published: int
    captured: int
    frames: int
    still: int = 0


class CloseSession(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """End a session whose frames are `0..last_seq` (-1: none).

    `in_doubt` is how many more were sent without an answer: they stay paid for until it is known
    that they cannot appear. `captured` and `still` are those of a renewal.
    """

    last_seq: int
    captured: int
    reason: str
    in_doubt: int = 0
    still: int = 0


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to open and renew. Prices and balances in millitokens.

    Fewer frames than were asked for are granted when the balance is short: each of the account's
    sessions has its share. `final` says that not one frame more could be paid for now.
    `available` is the account's free balance after this grant, as of `balance_version`.
    `when_unreachable`: `stop` publishes nothing from the moment that a renewal or sign of life
    goes unanswered, `finish` goes on until the grant is used up or has lapsed.
    """

    stream: str
    epoch: int
    unit_price: int
    granted_frames: int
    final: bool
    expires_at: Moment
    available: int
    balance_version: int
    when_unreachable: WhenUnreachable = WhenUnreachable.FINISH


def check_open(request: OpenSession) -> OpenSession:
    """Return the request; raise `Rejected` with what is wrong with it."""
    for kind, name in (
        ("account", request.account),
        ("stream", request.stream),
        ("model", request.model),
    ):
        if not is_name(name):
            raise Rejected(name_rule(kind, name))
    if not is_inference_size(request.height, request.width):
        raise Rejected(
            f"inference size {request.height}x{request.width} must be multiples of {SIDE_STEP}"
        )
    if request.task is not None and request.task not in TASKS:
        raise Rejected(f"task {request.task[:80]!r} must be one of {' '.join(TASKS)}")
    if not 1 <= request.batch_images <= BATCH_IMAGES_MAX:
        raise Rejected(f"batch_images must be 1 to {BATCH_IMAGES_MAX}, not {request.batch_images}")
    if request.slices is not None:
        slicing.check(request.slices, request.height, request.width)
    _check_frames(request.frames)
    return request


def check_renew(request: RenewSession) -> RenewSession:
    """Return the request; raise `Rejected` with what is wrong with it."""
    _check_frames(request.frames)
    _check_counts(
        ("published", request.published), ("captured", request.captured), ("still", request.still)
    )
    return request


def check_close(request: CloseSession) -> CloseSession:
    """Return the request; raise `Rejected` with what is wrong with it."""
    if not -1 <= request.last_seq < _COUNT_MAX:
        raise Rejected(f"last_seq must be -1 to {_COUNT_MAX - 1}, not {request.last_seq}")
    _check_counts(
        ("captured", request.captured), ("in_doubt", request.in_doubt), ("still", request.still)
    )
    if request.last_seq + 1 + request.in_doubt > _COUNT_MAX:
        raise Rejected(f"last_seq and in_doubt together are over {_COUNT_MAX}")
    if len(request.reason) > REASON_LENGTH_MAX or not request.reason.isprintable():
        raise Rejected(f"reason must be one line of at most {REASON_LENGTH_MAX} characters")
    return request


def _check_counts(*counts: tuple[str, int]) -> None:
    for name, count in counts:
        if not 0 <= count <= _COUNT_MAX:
            raise Rejected(f"{name} must be 0 to {_COUNT_MAX}, not {count}")


def _check_frames(frames: int) -> None:
    if not 1 <= frames <= GRANT_FRAMES_MAX:
        raise Rejected(f"frames must be 1 to {GRANT_FRAMES_MAX}, not {frames}")
