"""The pure parts of the bare engine's loop."""

import numpy as np
import pytest

from benchmarks.bare import full_batches, per_second


def test_batches_are_full_and_in_order() -> None:
    pictures = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    batches = [batch.ravel().tolist() for batch in full_batches(pictures, 4)]
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_too_few_pictures_are_a_mistake() -> None:
    with pytest.raises(AssertionError):
        list(full_batches(np.zeros((3, 1, 1, 1), dtype=np.uint8), 4))


def test_work_is_done_at_least_once_however_short_the_time() -> None:
    calls = []

    def work() -> int:
        calls.append(1)
        return 8

    assert per_second(work, seconds=0) > 0
    assert len(calls) == 1
