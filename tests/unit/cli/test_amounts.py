"""Tokens typed by a person become millitokens exactly, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.accounts import millitokens
from cli.streams import without_password
from wire.balances import format_tokens
from wire.errors import Rejected


@given(st.integers(min_value=1, max_value=10**15))
def test_an_amount_survives_being_written_and_read(amount: int) -> None:
    assert millitokens(format_tokens(amount)) == amount


@pytest.mark.parametrize("text", ["", "a", "0", "-1", "0.0001", "1.2345", "nan", "inf", "1,5"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        millitokens(text)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://user:secret@camera/1", "rtsp://camera/1"),
        ("rtsp://user:p@ss@camera:554/a@b", "rtsp://camera:554/a@b"),
        ("rtsp://camera/1", "rtsp://camera/1"),
        ("footage/park.mp4", "footage/park.mp4"),
    ],
)
def test_a_camera_is_shown_without_its_password(source: str, shown: str) -> None:
    assert without_password(source) == shown
