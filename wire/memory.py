"""Gives memory that is free back to the system, where the C library can be asked to.

What was allocated in pieces or in threads of its own (an engine's weights, a camera's decoder)
stays in the allocator's arenas when it is let go: a process that changes models or cameras grows.
"""

import ctypes
import sys
from functools import cache


def give_back() -> None:
    """Return what is free: some milliseconds, while Python goes on in other threads."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
