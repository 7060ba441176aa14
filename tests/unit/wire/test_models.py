"""Model specs: what may be registered."""

from datetime import UTC, datetime

import msgspec
import pytest

from tests.golden.messages import MODEL
from wire import models
from wire.errors import Rejected


@pytest.mark.parametrize(
    "change",
    [
        {"model": "Yolo"},
        {"version": ""},
        {"version": "a/b"},
        {"source": ""},
        {"size_class": "xxl"},
        {"task": "juggle"},
        {"confidence": 0.0},
        {"confidence": 1.0},
        {"confidence": float("nan")},
        {"iou": 0.0},
        {"iou": 1.01},
    ],
    ids=str,
)
def test_a_bad_spec_is_rejected_where_it_is_read(change: dict[str, object]) -> None:
    spec = msgspec.structs.replace(MODEL, **change)
    with pytest.raises(Rejected):
        models.check(spec)
    with pytest.raises(Rejected):
        models.decode(models.encode(spec, at=datetime(2026, 1, 1, tzinfo=UTC)))


def test_a_good_spec_passes_unchanged() -> None:
    assert models.check(MODEL) is MODEL
