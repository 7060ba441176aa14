"""Stream specs: what a camera may be told."""

from datetime import UTC, datetime

import msgspec
import pytest

from tests.golden.messages import STREAM
from wire import streams
from wire.errors import Rejected


@pytest.mark.parametrize(
    "change",
    [
        {"stream": "North"},
        {"stream": "api.acme.gateway-0.1"},
        {"account": ""},
        {"model": "a b"},
        {"source": ""},
        {"source": "x" * 2_049},
        {"height": 100},
        {"width": 0},
        {"fps": 0.0},
        {"fps": float("nan")},
        {"fps": float("inf")},
        {"fps": 241.0},
        {"max_age_ms": 0},
        {"max_age_ms": 600_001},
        {"quality": 0},
        {"quality": 101},
        {"start_s": -0.1},
        {"start_s": float("inf")},
        {"start_s": float("nan")},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_bad_spec_is_rejected_where_it_is_read(change: dict[str, object]) -> None:
    spec = msgspec.structs.replace(STREAM, **change)
    with pytest.raises(Rejected):
        streams.check(spec)
    with pytest.raises(Rejected):
        streams.decode(streams.encode(spec, at=datetime(2026, 1, 1, tzinfo=UTC)))


def test_a_good_spec_passes_unchanged() -> None:
    assert streams.check(STREAM) is STREAM
