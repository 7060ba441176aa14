"""Streams and models from a TOML file, the form in which people keep their cameras.

[[model]]                     # optional: models of your own
model = "yolov8s"
source = "yolov8s.pt"         # a path, or a name that Ultralytics knows
size_class = "s"

[[stream]]
stream = "gate"
source = "rtsp://user:password@camera/stream1"
model = "yolov8s"
fps = 5
size = "384x640"              # height x width, or one number for a square
slices = "2x3x0.2"            # optional: rows, columns and overlap of tiles of that size, each paid
motion = 0.002                # optional: the share of the picture that must change; 0 publishes all
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from wire import models, slicing, streams
from wire.errors import Rejected
from wire.models import ModelSpec
from wire.streams import StreamSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFile:
    """What one file asks for."""

    streams: tuple[StreamSpec, ...]
    models: tuple[ModelSpec, ...]


def parse_size(text: str) -> tuple[int, int]:
    """Return (height, width) from '384x640' or '640'; raise `Rejected` otherwise."""
    height, _, width = text.lower().partition("x")
    try:
        return int(height), int(width or height)
    except ValueError:
        raise Rejected(f"{text!r} is not a size: give HEIGHTxWIDTH or one number") from None


def read(path: Path, *, account: str) -> StreamFile:
    """Return the file's streams, owned by `account` where it names none. Raises `Rejected`."""
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Rejected(f"cannot read streams from {path}: {error}") from error
    rows = content.get("stream", [])
    if not isinstance(rows, list) or not rows:
        raise Rejected(f"{path} has no [[stream]]")
    made = tuple(_stream(row, account=account, folder=path.parent) for row in rows)
    if len({spec.stream for spec in made}) != len(made):
        raise Rejected(f"{path} names a stream twice")
    return StreamFile(
        streams=made,
        models=tuple(_model(row, folder=path.parent) for row in content.get("model", [])),
    )


def _stream(row: dict[str, Any], *, account: str, folder: Path) -> StreamSpec:
    fields = dict(row)
    size = fields.pop("size", None)
    if size is not None:
        fields["height"], fields["width"] = parse_size(str(size))
    if isinstance(slices := fields.get("slices"), str):
        fields["slices"] = slicing.parse(slices)
    fields.setdefault("account", account)
    fields["source"] = _located(str(fields.get("source", "")), folder)
    return streams.check(_convert(fields, StreamSpec))


def _model(row: dict[str, Any], *, folder: Path) -> ModelSpec:
    fields = dict(row)
    fields["source"] = _located(str(fields.get("source", "")), folder)
    fields.setdefault("version", "1")
    return models.check(_convert(fields, ModelSpec))


def _convert(fields: dict[str, Any], kind: type[Any]) -> Any:
    unknown = fields.keys() - set(kind.__struct_fields__)
    if unknown:
        raise Rejected(f"unknown member {sorted(unknown)[0]!r}; known: {kind.__struct_fields__}")
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise Rejected(f"{fields}: {error}") from error


def _located(source: str, folder: Path) -> str:
    """Return a path beside the file as an absolute one; anything else as it is."""
    beside = folder / source
    return str(beside.resolve()) if source and "://" not in source and beside.exists() else source
