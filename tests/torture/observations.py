"""What a run tells the checker: where everything lies, what was asked for, what was done to it.

Written as JSON when a run has drained; the checker believes nothing else that the run says. All
amounts are millitokens, all moments seconds since the run began.
"""

from pathlib import Path

import msgspec


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the record."""


class Model(Observed, frozen=True, kw_only=True):
    """A registered model; its size class decides the price."""

    model: str
    size_class: str


class TopUp(Observed, frozen=True, kw_only=True):
    """A top-up that was confirmed. It was sent `times` times under one reference."""

    account: str
    millitokens: int
    reference: str
    times: int


class HttpAnswer(Observed, frozen=True, kw_only=True):
    """One request to `/yolo/detect` and what came of it.

    `status` is 0 when no answer came; `attempt` counts requests under the same `key` from 1.
    `millitokens`, `remaining_millitokens` and `cached` are what an answer 200 said.
    """

    account: str
    key: str
    attempt: int
    model: str
    height: int
    width: int
    tier: str
    status: int
    millitokens: int | None = None
    remaining_millitokens: int | None = None
    cached: bool | None = None
    problem: str = ""
    at_s: float


class FaultDone(Observed, frozen=True, kw_only=True):
    """A fault as it was carried out."""

    kind: str
    target: str
    planned_s: float
    started_s: float
    ended_s: float
    detail: str = ""


class Replayed(Observed, frozen=True, kw_only=True):
    """Offsets `first <= offset < end` of a frames topic that detectors were made to take again.

    Such frames may have more than one detection and more than one usage event, of whichever
    statuses; they are still charged once at most, by the first status that reached the ledger.
    """

    topic: str
    partition: int
    first: int
    end: int


class Reproduced(Observed, frozen=True, kw_only=True):
    """A committed record of `usage` that was written to its partition again, `copies` times."""

    partition: int
    offset: int
    copies: int


class Observations(Observed, frozen=True, kw_only=True):
    """The record of one run. The addresses are the services' own, past the proxy."""

    seed: int
    seconds: float
    kafka: str
    postgres: str
    redis: str
    prefix: str
    partitions: int
    accounts: tuple[str, ...]
    models: tuple[Model, ...]
    top_ups: tuple[TopUp, ...]
    answers: tuple[HttpAnswer, ...]
    faults: tuple[FaultDone, ...]
    replayed: tuple[Replayed, ...]
    reproduced: tuple[Reproduced, ...]
    biller_resets: int
    drain_s: float


def write(path: Path, observations: Observations) -> None:
    """Write the record."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(observations), indent=1))


def read(path: Path) -> Observations:
    """Read a record."""
    return msgspec.json.decode(path.read_bytes(), type=Observations)
