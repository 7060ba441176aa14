"""What may be asked about a session; everything else is rejected before it reaches the ledger."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden.messages import CLOSE, OPEN, RENEW
from wire.errors import Rejected
from wire.frames import INT64_MAX
from wire.sessions import (
    GRANT_FRAMES_MAX,
    REASON_LENGTH_MAX,
    CloseSession,
    OpenSession,
    check_close,
    check_open,
    check_renew,
)


def test_good_requests_pass_unchanged() -> None:
    assert check_open(OPEN) is OPEN
    assert check_renew(RENEW) is RENEW
    assert check_close(CLOSE) is CLOSE


@pytest.mark.parametrize(
    "change",
    [
        {"account": "A"},
        {"stream": "a/b"},
        {"model": ""},
        {"height": 33},
        {"width": 8192},
        {"frames": 0},
        {"frames": GRANT_FRAMES_MAX + 1},
        {"task": "juggle"},
        {"task": "x" * 10_000},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_bad_opening_is_rejected(change: dict[str, object]) -> None:
    with pytest.raises(Rejected) as caught:
        check_open(msgspec.structs.replace(OPEN, **change))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "change",
    [
        {"published": -1},
        {"published": INT64_MAX},
        {"captured": -1},
        {"captured": 10**30},
        {"frames": 0},
        {"frames": -1},
        {"frames": GRANT_FRAMES_MAX + 1},
    ],
    ids=str,
)
def test_a_bad_renewal_is_rejected(change: dict[str, object]) -> None:
    with pytest.raises(Rejected):
        check_renew(msgspec.structs.replace(RENEW, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"last_seq": -2},
        {"last_seq": INT64_MAX},
        {"captured": -1},
        {"captured": 10**30},
        {"in_doubt": -1},
        {"in_doubt": INT64_MAX - GRANT_FRAMES_MAX},
        {"reason": "x" * (REASON_LENGTH_MAX + 1)},
        {"reason": "a\x00b"},
        {"reason": "two\nlines"},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_bad_close_is_rejected(change: dict[str, object]) -> None:
    with pytest.raises(Rejected):
        check_close(msgspec.structs.replace(CLOSE, **change))


def test_a_session_without_frames_can_be_closed() -> None:
    check_close(CloseSession(last_seq=-1, captured=0, reason="nothing came"))


@given(st.integers(), st.integers(), st.integers())
def test_what_passes_a_close_fits_the_ledgers_integers(
    last_seq: int, captured: int, in_doubt: int
) -> None:
    request = CloseSession(last_seq=last_seq, captured=captured, reason="", in_doubt=in_doubt)
    try:
        check_close(request)
    except Rejected:
        return
    assert 0 <= last_seq + 1 + in_doubt <= INT64_MAX
    assert 0 <= captured <= INT64_MAX


def test_a_tier_that_is_none_is_refused_by_the_decoder() -> None:
    value = msgspec.json.encode(OPEN).replace(b"priority", b"golden")
    with pytest.raises(msgspec.ValidationError, match="tier"):
        msgspec.json.decode(value, type=OpenSession)
