"""The names that tenants choose, and the frame ids made of them.

A name is short, lower case and free of '/', so that `stream/epoch/seq` can be taken apart again.
"""

import re
from functools import lru_cache

NAME_LENGTH_MAX = 128
VIRTUAL_STREAM_PREFIX = "api."
"""Streams of this prefix are opened by gateways alone."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def is_name(text: str) -> bool:
    """Say whether `text` can name an account, a stream or a model."""
    return len(text) <= NAME_LENGTH_MAX and _is_spelled_well(text)


@lru_cache(maxsize=4_096)
def _is_spelled_well(text: str) -> bool:
    # Readers check three names in every message, nearly always ones that they have just checked.
    return _NAME.fullmatch(text) is not None


def name_rule(kind: str, text: str) -> str:
    """Return the sentence that tells a person why `text` cannot name a `kind`."""
    return (
        f"{kind} name {text[:NAME_LENGTH_MAX]!r} is not allowed: use 1 to {NAME_LENGTH_MAX} of"
        " a-z 0-9 . _ - and start with a letter or a digit"
    )


def frame_id(stream: str, epoch: int, seq: int) -> str:
    """Return the id of a frame, from which the ids of all its events derive."""
    return f"{stream}/{epoch}/{seq}"
