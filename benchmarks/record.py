"""One measurement as a JSON line: what was measured, when, of which code, on what machine.

A line names no path and no host: lines of many machines lie side by side in a public repository.
"""

from datetime import datetime
from typing import Any

import msgspec

from wire.clock import in_utc
from wire.errors import Misconfigured

Fields = dict[str, Any]
"""Names with their units last; numbers, texts, true or false."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures depend on."""

    cpu: str
    cores: int
    memory_gib: float
    python: str
    gpu: str = ""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark found: `parameters` were chosen, `figures` came out."""

    benchmark: str
    parameters: Fields
    figures: Fields


class Record(Measured, frozen=True, kw_only=True):
    """A measurement with its circumstances. `commit` ends in -dirty when the code had changes."""

    at: datetime
    commit: str
    machine: Machine


_DECODER = msgspec.json.Decoder(Record)
_ENCODER = msgspec.json.Encoder()


def record(measured: Measured, *, at: datetime, commit: str, machine: Machine) -> Record:
    """Return the measurement with its circumstances; `at` in UTC, to the second."""
    return Record(
        benchmark=measured.benchmark,
        parameters=measured.parameters,
        figures=measured.figures,
        at=in_utc(at).replace(microsecond=0),
        commit=commit,
        machine=machine,
    )


def to_line(made: Record) -> str:
    """Return the record as one line of JSON, without its end."""
    return _ENCODER.encode(made).decode()


def from_lines(text: str) -> list[Record]:
    """Return the records of a JSON lines file; raise `Misconfigured` with the bad line's number."""
    records = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            records.append(_DECODER.decode(line))
        except msgspec.DecodeError as error:
            raise Misconfigured(f"line {number} is not a benchmark's record: {error}") from error
    return records
