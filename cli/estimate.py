"""`framemeter estimate`: the price of frames before anything is spent.

Asks the ledger what a session opened now would cost. Where no ledger answers, the published
tariff is used, and the answer says so.
"""

from dataclasses import dataclass
from typing import Annotated

import asyncpg
import typer
from rich.table import Table

from billing import pricing
from billing.pricing import Priced, Prices, Question
from billing.tariff import (
    STANDARD_PLAN,
    TARIFF_V1,
    Tariff,
    size_class_of,
)
from cli import terminal
from cli.calibration.subjects import task_of
from cli.deployment import Deployment, database, deployment
from cli.streamfile import parse_size
from wire import slicing
from wire.errors import Misconfigured, Rejected, Retryable, UnknownModel
from wire.frames import SIDE_MAX, SIDE_MIN, SIDE_STEP, Tier, is_inference_size
from wire.sessions import BATCH_IMAGES_MAX

SECONDS_PER_DAY = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A price, and what is to be said about where it comes from."""

    priced: Priced
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """How many frames a day are asked for."""

    fps: float
    streams: int

    @property
    def frames_a_day(self) -> int:
        """Return the frames of a day."""
        return round(self.fps * SECONDS_PER_DAY) * self.streams


def estimate(  # noqa: PLR0913  (each one is an option of the command)
    model: Annotated[str, typer.Argument(help="A model's name, such as yolov8s.")],
    size: Annotated[
        str, typer.Argument(help="Inference size, HEIGHTxWIDTH or one number.")
    ] = "640",
    fps: Annotated[float, typer.Option(min=0, help="Frames a second of one stream.")] = 5.0,
    streams: Annotated[int, typer.Option(min=1, help="How many streams.")] = 1,
    tier: Annotated[Tier, typer.Option(help="Priority costs more.")] = Tier.STANDARD,
    task: Annotated[str, typer.Option(help="detect, segment …; the model's own if not told.")] = "",
    account: Annotated[str, typer.Option(help="Whose plan holds.")] = "",
    plan: Annotated[str, typer.Option(help="A plan of the tariff, instead of --account.")] = "",
    images: Annotated[
        int, typer.Option(min=1, max=BATCH_IMAGES_MAX, help="How many images come in one call.")
    ] = 1,
    tariff: Annotated[str, typer.Option(help="A version; the one in force if not told.")] = "",
    size_class: Annotated[str, typer.Option(help="n s m l x, where the name does not tell.")] = "",
    slices: Annotated[
        str, typer.Option(help="Cut into tiles of that size: ROWSxCOLUMNSxOVERLAP, as 2x3x0.2.")
    ] = "",
) -> None:
    """Tell what frames will cost, before anything is spent."""
    if account and plan:
        raise Rejected("give --account or --plan, not both: an account has its plan")
    height, width = parse_size(size)
    if not is_inference_size(height, width):
        raise Rejected(
            f"size {height}x{width} is not possible: sides are multiples of {SIDE_STEP} from"
            f" {SIDE_MIN} to {SIDE_MAX}"
        )
    question = Question(
        model=model,
        height=height,
        width=width,
        tier=tier,
        account=account or None,
        task=task or None,
        images=images,
        plan=plan or None,
        tariff=tariff or None,
        slices=slicing.check(slicing.parse(slices), height, width) if slices else None,
    )
    answer = terminal.run(_answer(deployment(), question, size_class))
    if answer.note:
        terminal.messages().print(answer.note, highlight=False, markup=False)
    view = table(question, answer.priced, Volume(fps=fps, streams=streams))
    terminal.output().print(view)


async def _answer(target: Deployment, question: Question, size_class: str) -> Answer:
    try:
        async with database(target) as pool:
            return await _ledgers_answer(Prices(pool, target.clock), question, size_class)
    except (Retryable, Misconfigured, asyncpg.UndefinedTableError) as error:
        if question.account or question.tariff:
            raise
        priced = by_name(question, size_class, TARIFF_V1, question.plan or STANDARD_PLAN)
        note = f"no ledger answers ({error}): these are the published prices, {TARIFF_V1.version}"
        return Answer(priced=priced, note=note)


async def _ledgers_answer(prices: Prices, question: Question, size_class: str) -> Answer:
    try:
        priced = await prices.quote(question)
    except UnknownModel:
        priced = by_name(question, size_class, *await prices.basis(question))
        return Answer(priced=priced, note=f"model {question.model} is not registered here yet")
    if size_class not in ("", priced.size_class):
        raise Rejected(f"model {question.model} is of size class {priced.size_class} here")
    return Answer(priced=priced)


def by_name(question: Question, size_class: str, tariff: Tariff, plan: str) -> Priced:
    """Return the price for a model that nobody registered, by what its name tells."""
    known = size_class or size_class_of(question.model)
    if known is None:
        raise Rejected(f"the name {question.model!r} does not tell a size class: give --size-class")
    task = question.task or task_of(question.model)
    return pricing.priced(question, size_class=known, task=task, tariff=tariff, plan=plan)


def table(question: Question, priced: Priced, volume: Volume) -> Table:
    """Return the price of a frame, of many, and of a day."""
    view = terminal.table(
        f"{question.model} {question.height}x{question.width} {question.tier}",
        ("what", "tokens"),
        numbers=("tokens",),
    )
    view.caption = f"tariff {priced.tariff}, plan {priced.plan}, task {priced.task}"
    price, batch = priced.unit_price, question.images
    if priced.tiles > 1:
        view.add_row(f"one of {priced.tiles} tiles", terminal.tokens(priced.tile_price))
    view.add_row("one frame", terminal.tokens(price))
    if batch > 1:
        view.add_row(f"{batch} images in one call", terminal.tokens(price * batch))
    view.add_row("1 000 frames", terminal.tokens(price * 1_000))
    view.add_row(
        f"a day of {volume.streams} x {volume.fps:g} fps",
        terminal.tokens(price * volume.frames_a_day),
    )
    return view
