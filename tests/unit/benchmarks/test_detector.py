"""How the detector's rounds are compared."""

from benchmarks.bare import Bare
from benchmarks.detector import Round, compare
from benchmarks.play import FRAMES_MAX, FRAMES_MIN, frames_for
from benchmarks.rival import Predicted


def turn(*, bare: float, detector: float, exact: bool = True) -> Round:
    """Return one round with these speeds."""
    return Round(
        bare=Bare(
            engine="fake",
            batch_size=8,
            callers=1,
            images_per_second=bare,
            decoded_per_second=10 * bare,
        ),
        predicted=Predicted(images_per_second=bare / 4, device="torch, cpu", objects=3.0, images=9),
        objects=3.0,
        images_per_second=detector,
        exact=exact,
        inside={"engine": "fake", "batch_mean": 8.0},
    )


def test_medians_are_compared() -> None:
    figures = compare([turn(bare=100, detector=80), turn(bare=200, detector=160)])
    assert figures["bare_images_per_second"] == 150
    assert figures["detector_images_per_second"] == 120
    assert figures["detector_to_bare"] == 0.8
    assert figures["detector_to_predict"] == 3.2
    assert figures["decoded_images_per_second"] == 1500
    assert figures["rounds"] == [
        {"bare": 100, "bare_callers": 1, "detector": 80, "predict": 25},
        {"bare": 200, "bare_callers": 1, "detector": 160, "predict": 50},
    ]
    assert figures["exact"] is True


def test_one_round_that_lost_a_frame_spoils_all() -> None:
    rounds = [turn(bare=1, detector=1), turn(bare=1, detector=1, exact=False)]
    assert compare(rounds)["exact"] is False


def test_the_topic_is_filled_for_the_time_within_limits() -> None:
    assert frames_for(100, seconds=20) == 2_000
    assert frames_for(0.1, seconds=1) == FRAMES_MIN
    assert frames_for(1e6, seconds=100) == FRAMES_MAX
