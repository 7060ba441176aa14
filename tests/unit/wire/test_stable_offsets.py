"""Answers to OffsetFetch v7 are looked at in full."""

from types import SimpleNamespace

from wire.stable_offsets import first_error, single_offset


def answer(offset: int, *, top: int = 0, partition: int = 0) -> SimpleNamespace:
    fields = (3, offset, -1, "", partition, {})
    return SimpleNamespace(error_code=top, topics=[("frames", [fields], {})])


def test_an_offset_is_returned_and_a_missing_one_is_none() -> None:
    assert single_offset(answer(41)) == 41
    assert single_offset(answer(0)) == 0
    assert single_offset(answer(-1)) is None


def test_errors_of_the_answer_and_of_the_partition_are_both_seen() -> None:
    assert first_error(answer(41)) is None
    assert first_error(answer(-1, top=14)) == 14
    assert first_error(answer(-1, partition=88)) == 88
