"""What is let go goes back to the system."""

import sys
from pathlib import Path

import pytest

from wire.memory import give_back

PIECE = 64 * 1024
"""Below what the allocator asks the system for by itself."""


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_freed_pieces_between_kept_ones_are_given_back() -> None:
    pieces = [bytearray(PIECE) for _ in range(2_000)]
    kept = pieces[:: len(pieces) // 10]
    full = resident()
    del pieces
    give_back()
    assert full - resident() > 2_000 * PIECE // 2
    assert len(kept) == 10
