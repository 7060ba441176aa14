"""An estimate without a ledger: the published prices, and it says so; what it needs one for."""

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from billing.pricing import Question
from billing.tariff import TARIFF_V1, unit_price
from cli.estimate import by_name
from cli.main import build_app
from wire.errors import Rejected, Retryable
from wire.frames import Tier


@pytest.fixture(autouse=True)
def no_ledger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FRAMEMETER_POSTGRES", "postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.chdir(tmp_path)  # no local stack of the developer's


def estimate(*words: str) -> Result:
    """Run the command as a person would."""
    return CliRunner().invoke(build_app(), ["estimate", *words])


def test_without_a_ledger_the_published_prices_are_told_and_named() -> None:
    ended = estimate("yolov8l", "960", "--fps", "2", "--streams", "3", "--images", "4")
    assert ended.exit_code == 0
    assert "no ledger answers" in ended.stderr and "published prices, v1" in ended.stderr
    for text in ("5.625", "4 images in one call", "22.500", "2916000.000", "plan standard"):
        assert text in ended.stdout


def test_slices_cost_as_much_as_their_tiles_and_a_task_its_factor() -> None:
    named = estimate("yolov8l-seg", "960", "--slices", "2x3x0.2")
    told = estimate("yolov8l", "960", "--slices", "2x3x0.2", "--task", "segment")
    for ended in (named, told):
        assert ended.exit_code == 0
        for text in ("one of 6 tiles", "8.438", "50.628", "segment"):  # 8.4375, rounded first
            assert text in ended.stdout


@pytest.mark.parametrize("option", [("--account", "park"), ("--tariff", "v1")])
def test_what_only_a_ledger_knows_is_not_guessed(option: tuple[str, str]) -> None:
    assert isinstance(estimate("yolov8l", *option).exception, Retryable)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("yolov8l", "650"), "multiples of 32"),
        (("my-model",), "give --size-class"),
        (("yolov8l", "--slices", "6x6"), "more than 32"),
        (("yolov8l", "--slices", "many"), "ROWSxCOLUMNSxOVERLAP"),
        (("yolov8l", "--plan", "gold"), "no price for plan 'gold'"),
        (("yolov8l", "--task", "juggle"), "no price for task 'juggle'"),
        (("yolov8l", "--plan", "gold", "--account", "park"), "not both"),
    ],
)
def test_what_has_no_price_is_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        raise estimate(*words).exception or AssertionError("it was not refused")


def test_a_class_that_is_given_goes_before_the_names() -> None:
    question = Question(model="yolov8l", height=640, width=640, tier=Tier.PRIORITY)
    priced = by_name(question, "n", TARIFF_V1, "standard")
    assert priced.unit_price == unit_price(
        size_class="n", height=640, width=640, tier=Tier.PRIORITY
    )
