"""A detector's word that a version of a model does not run there, on the topic `models`.

Its key names the version, so that there is one for each, whichever detector said it last; a
tombstone takes it back. It is news for operators and decides nothing.
"""

from datetime import datetime

import msgspec

from wire.cloudevents import EnvelopeCodec

FAILURE_TYPE = "framemeter.model-failure.v1"
REASON_LENGTH_MAX = 1_000
_PREFIX = "failure/"


class ModelFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A version that did not load or did not pass its test; where, when and why."""

    model: str
    version: str
    reason: str
    detector: str
    at: datetime


def key_of(model: str, version: str) -> str:
    """Return the message's key; no model's own key has a `/`."""
    return f"{_PREFIX}{model}/{version}"


def is_failure(key: str) -> bool:
    """Say whether a key on the topic `models` is that of a failure."""
    return key.startswith(_PREFIX)


_CODEC = EnvelopeCodec(ModelFailure, event_type=FAILURE_TYPE, source="framemeter/detector")


def encode(failure: ModelFailure) -> bytes:
    """Return the message's value."""
    return _CODEC.encode(
        failure,
        event_id=f"{failure.model}@{failure.version}/{failure.detector}",
        subject=failure.model,
        time=failure.at,
    )


def decode(value: bytes | None) -> ModelFailure:
    """Return the failure; raise `Rejected` when the bytes are not one."""
    return _CODEC.decode(value).data
