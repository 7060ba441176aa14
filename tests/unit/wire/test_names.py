"""Names are short and plain, and a frame's id can be taken apart again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.wire import strategies
from wire.names import NAME_LENGTH_MAX, frame_id, is_name, name_rule


@pytest.mark.parametrize("name", ["a", "0", "park.north-1", "api.acme.gw_0.7", "x" * 128])
def test_these_are_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "A", "a/b", "a b", ".a", "-a", "_a", "a\n", "\x00", "é", "a\u0661", "x" * 129, "a:b"],
)
def test_these_are_not(name: str) -> None:
    assert not is_name(name)


@given(st.text())
def test_a_name_is_ascii_and_needs_no_quoting_anywhere(text: str) -> None:
    if is_name(text):
        assert text.isascii()
        assert text == text.lower()
        assert not set(text) & set("/ \\'\"%?#&")


@given(strategies.names, strategies.epochs, strategies.seqs)
def test_an_id_can_be_taken_apart(stream: str, epoch: int, seq: int) -> None:
    assert frame_id(stream, epoch, seq).split("/") == [stream, str(epoch), str(seq)]


@given(st.text())
def test_the_rule_is_one_short_line_whatever_was_asked_for(text: str) -> None:
    rule = name_rule("stream", text)
    assert rule.startswith("stream name ")
    assert str(NAME_LENGTH_MAX) in rule
    assert "\n" not in rule
    assert len(rule) < 2_000
