"""A result is found again under the very same terms only, and never in something broken."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.detector.results import COMPRESSED, Kept, keys_of, pack, unpack
from tests.unit.consumers.detector.made import frame, picture
from tests.unit.consumers.detector.scripted import SPEC
from wire.detections import DetectedObject
from wire.models import Canary, ModelSpec
from wire.slicing import Slices

THING = DetectedObject(class_id=1, class_name="dog", confidence=0.5, box=(1.0, 2.0, 3.0, 4.0))


def key(spec: ModelSpec = SPEC, **changes: object) -> str:
    return keys_of([frame(0, **changes)], spec)[0]


def test_another_frame_of_the_same_picture_has_the_same_key() -> None:
    same = frame(7, stream="other", epoch=3, max_age_ms=5)
    assert keys_of([same], SPEC) == [key()]
    canary = Canary(version="v2", source="b.xml", percent=10)
    assert key(msgspec.structs.replace(SPEC, canary=canary)) == key()


@pytest.mark.parametrize(
    "changes",
    [
        {"account": "another"},
        {"height": 96},
        {"slices": Slices(rows=1, columns=2)},
        {"picture": picture(1)},
    ],
)
def test_other_terms_or_another_picture_have_another_key(changes: dict[str, object]) -> None:
    assert key(**changes) != key()


@pytest.mark.parametrize("change", [{"version": "v2"}, {"confidence": 0.3}, {"sha256": "0" * 64}])
def test_another_version_or_threshold_has_another_key(change: dict[str, object]) -> None:
    assert key(msgspec.structs.replace(SPEC, **change)) != key()


@pytest.mark.parametrize("count", [0, 1, 300])
def test_what_is_packed_is_found_again_and_large_results_are_compressed(count: int) -> None:
    kept = Kept(frame="gate/1/0", objects=(THING,) * count)
    packed = pack(kept)
    assert unpack(packed) == kept
    assert (packed[:1] == COMPRESSED) == (count == 300)


@given(st.one_of(st.none(), st.binary(max_size=64), st.binary(max_size=64).map(b"z".__add__)))
def test_whatever_else_lies_there_is_a_miss(value: bytes | None) -> None:
    assert unpack(value) is None
