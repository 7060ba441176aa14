"""Model specs: what may be registered."""

from datetime import UTC, datetime

import msgspec
import pytest

from tests.golden.messages import MODEL, MODEL_CANARY
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
        {"canary": models.Canary(version="2026-03", source="new.pt", percent=0)},
        {"canary": models.Canary(version=MODEL.version, source="new.pt", percent=5)},
        {"canary": models.Canary(version="2026-03", source="", percent=5)},
        {"former": models.Former(version=MODEL.version, source="old.pt")},
        {"former": models.Former(version="2026-01", source="")},
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


def test_those_beside_and_before_the_active_version_have_its_price_terms() -> None:
    canary, former = models.canary_of(MODEL_CANARY), models.former_of(MODEL_CANARY)
    assert former is not None
    assert (canary.version, former.version) == ("2026-03", "2026-01")
    assert (canary.source, former.source) == ("yolov8l-new.pt", "yolov8l-old.pt")
    for spec in (canary, former, models.alone(MODEL_CANARY)):
        assert (spec.model, spec.size_class, spec.task) == ("yolov8l", "l", "detect")
        assert (spec.canary, spec.former) == (None, None)
    assert models.former_of(MODEL) is None
