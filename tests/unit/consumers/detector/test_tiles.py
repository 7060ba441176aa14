"""Objects of overlapping tiles become those of one picture: each once, whole where it can be."""

from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.detector.tiles import MERGED_MAX, merge, shift
from wire.detections import DetectedObject
from wire.slicing import Slices, picture_size

TILE = 100
TWO = Slices(rows=1, columns=2, overlap=0.2)
"""The second tile begins at 80; together they are 180 px wide."""


def thing(
    *box: float, confidence: float = 0.9, class_id: int = 0, **more: object
) -> DetectedObject:
    return DetectedObject(
        class_id=class_id,
        class_name=str(class_id),
        confidence=confidence,
        box=box,  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


def merged(left: list[DetectedObject], right: list[DetectedObject]) -> list[DetectedObject]:
    tiles = [tuple(left), tuple(right)]
    return list(merge(tiles, slices=TWO, height=TILE, width=TILE, iou=0.7))


def test_an_object_is_moved_by_its_tiles_corner_with_all_that_it_has() -> None:
    found = thing(1, 2, 3, 4, mask=((1, 2),), keypoints=((1, 2, 0.5),), corners=((3, 4),))
    moved = shift(found, left=80, top=10)
    assert moved.box == (81, 12, 83, 14)
    assert moved.mask == ((81, 12),)
    assert moved.keypoints == ((81, 12, 0.5),)
    assert moved.corners == ((83, 14),)


def test_what_both_tiles_see_whole_is_one_object_and_the_surer_one() -> None:
    answer = merged([thing(84, 10, 95, 30, confidence=0.6)], [thing(4, 10, 15, 31)])
    assert [found.box for found in answer] == [(84, 10, 95, 31)]


def test_what_one_tile_cuts_gives_way_to_the_whole_even_when_surer() -> None:
    whole, cut = thing(5, 10, 45, 30, confidence=0.5), thing(85, 10, 100, 30)
    assert [found.box for found in merged([cut], [whole])] == [(85, 10, 125, 30)]


def test_a_small_whole_object_before_a_large_one_of_another_tile_stays() -> None:
    small, large = thing(85, 12, 90, 18), thing(3, 5, 60, 95)
    assert len(merged([small], [large])) == 2


def test_objects_of_one_tile_or_of_two_classes_never_drop_each_other() -> None:
    same_place = [thing(84, 10, 95, 30), thing(84, 10, 95, 30, confidence=0.5)]
    assert len(merged(same_place, [])) == 2
    assert len(merged([thing(84, 10, 95, 30)], [thing(4, 10, 15, 30, class_id=1)])) == 2


def test_no_objects_make_no_objects() -> None:
    assert merged([], []) == []


def test_a_crowd_is_bounded_and_the_surest_stay() -> None:
    crowd = [thing(10, 10, 20, 20, confidence=0.5 + index / 10_000) for index in range(400)]
    answer = merged(crowd, [])
    assert len(answer) == MERGED_MAX
    assert min(found.confidence for found in answer) > 0.5 + 99 / 10_000


sides = st.floats(0, TILE).map(lambda value: round(value, 1))
boxes = st.tuples(sides, sides, sides, sides).map(
    lambda box: thing(min(box[0::2]), min(box[1::2]), max(box[0::2]), max(box[1::2]))
)


@settings(max_examples=50)
@given(st.lists(st.lists(boxes, max_size=6), min_size=6, max_size=6))
def test_merging_only_drops_and_stays_within_the_picture(tiles: list[list[DetectedObject]]) -> None:
    slices = Slices(rows=2, columns=3, overlap=0.25)
    answer = merge([tuple(tile) for tile in tiles], slices=slices, height=TILE, width=TILE, iou=0.7)
    height, width = picture_size(slices, TILE, TILE)
    assert len(answer) <= sum(map(len, tiles))
    assert any(tiles) == bool(answer)
    for found in answer:
        x1, y1, x2, y2 = found.box
        assert 0 <= x1 <= x2 <= width
        assert 0 <= y1 <= y2 <= height
