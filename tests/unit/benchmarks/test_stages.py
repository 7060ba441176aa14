"""Where the time of a frame goes, and the picture of it."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.drawing import WIDTH, draw, saturated_panel, steady_panel
from benchmarks.stages import TEXTS, Inside, between, total_ms, waterfall, work
from cli.demo.scrape import Metrics

MEANS = {"batch_wait": 2.0, "decode": 3.0, "engine": 30.0, "hold": 1.0, "commit": 8.0}
COUNTS = {
    "images_total": 80.0,
    "batches_total": 10.0,
    "engine_seconds_total": 1.6,
    "transactions_total": 20.0,
}


def metrics(*, commits: int, seconds: float, images: int) -> Metrics:
    """Return a detector's metrics at some moment."""
    text = f"""\
# TYPE framemeter_detector_commit_seconds histogram
framemeter_detector_commit_seconds_bucket{{le="+Inf"}} {commits}
framemeter_detector_commit_seconds_count {commits}
framemeter_detector_commit_seconds_sum {seconds}
# TYPE framemeter_detector_images counter
framemeter_detector_images_total {images}
"""
    return Metrics(text_string_to_metric_families(text))


def test_only_what_happened_between_two_looks_counts() -> None:
    inside = between(
        metrics(commits=10, seconds=5.0, images=100), metrics(commits=14, seconds=5.04, images=130)
    )
    assert inside.means_ms == {"commit": pytest.approx(10.0)}
    assert inside.counts["images_total"] == 30


def test_the_stages_of_a_frame_add_up_to_its_whole_way() -> None:
    inside = Inside(means_ms=MEANS, counts=COUNTS)
    stages = waterfall(inside, acked_ms=4.0, finished_ms=45.0, visible_ms=60.0)
    lengths = {stage.name: stage.takes_ms for stage in stages}
    assert lengths == {**MEANS, "publish": 4.0, "fetch": 6.0, "read": 6.0}
    assert list(lengths) == list(TEXTS)
    assert total_ms(stages) == 60.0
    for before, after in pairwise(stages):
        assert after.starts_ms == before.starts_ms + before.takes_ms


def test_a_frame_that_was_fetched_before_the_producer_had_its_answer_fetches_in_no_time() -> None:
    inside = Inside(means_ms=MEANS, counts=COUNTS)
    stages = waterfall(inside, acked_ms=40.0, finished_ms=45.0, visible_ms=60.0)
    lengths = {stage.name: stage.takes_ms for stage in stages}
    assert (lengths["publish"], lengths["fetch"]) == (10.0, 0.0)
    assert total_ms(stages) == 60.0


def test_a_commit_whose_answer_comes_after_the_detection_was_seen_is_cut_off() -> None:
    inside = Inside(means_ms=MEANS, counts=COUNTS)
    stages = waterfall(inside, acked_ms=4.0, finished_ms=45.0, visible_ms=50.0)
    lengths = {stage.name: stage.takes_ms for stage in stages}
    assert (lengths["hold"], lengths["commit"], lengths["read"]) == (1.0, 4.0, 0.0)
    assert total_ms(stages) == 50.0


def test_under_saturation_work_is_shared_by_the_frames_of_a_batch() -> None:
    stages = work(Inside(means_ms=MEANS | {"engine": 300.0}, counts=COUNTS))
    assert {stage.name: stage.takes_ms for stage in stages} == {
        "decode": 3.0 / 8,
        "engine": 20.0,
        "commit": 2.0,
    }


def test_a_detector_that_did_nothing_has_no_work() -> None:
    assert work(Inside(means_ms={}, counts=dict.fromkeys(COUNTS, 0.0))) == []


def test_the_picture_names_every_stage_with_its_milliseconds_and_stays_within_its_width() -> None:
    inside = Inside(means_ms=MEANS, counts=COUNTS)
    way = waterfall(inside, acked_ms=4.0, finished_ms=45.0, visible_ms=60.0)
    picture = draw(
        [
            steady_panel(way, note="a < b"),
            saturated_panel(work(inside), frame_ms=25.0, note="full"),
        ]
    )
    root = ElementTree.fromstring(picture)
    words = [found.text for found in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {TEXTS[stage.name] for stage in way} <= set(words)
    assert {"30.0 ms", "60.0 ms", "25.0 ms", "a < b"} <= set(words)
    for bar in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(bar.get("x", "0")) + float(bar.get("width", "0")) <= WIDTH
