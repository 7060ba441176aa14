"""Parquet files that are whole or not there: written under another name, then renamed.

pyarrow is an extra (`archive`) and is imported only where a file is really read or written. What a
file covers is in its metadata under `framemeter`, as JSON, without any time of writing: the same
content gives the same file.
"""

import importlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wire.errors import Misconfigured, Rejected, Retryable

ROWS_PER_GROUP = 16_384
"""Also the most rows that are in memory at once."""
METADATA_KEY = "framemeter"

Row = Mapping[str, Any]

SCHEMAS: Mapping[str, Mapping[str, str]] = {
    "usage": {
        "partition": "int32",
        "offset": "int64",
        "written_at": "timestamp",
        "emitted_at": "timestamp",
        "account": "string",
        "stream": "string",
        "epoch": "int64",
        "first": "int64",
        "last": "int64",
        "status": "string",
        "model": "string",
        "model_version": "string",
        "height": "int32",
        "width": "int32",
        "captured_at": "timestamp",
        "value": "binary",
    },
    "usage_minute": {
        "account": "string",
        "stream": "string",
        "epoch": "int64",
        "minute": "timestamp",
        "status": "string",
        "frames": "int64",
        "millitokens": "int64",
    },
    "transfer": {
        "position": "int64",
        "previous": "binary",
        "hash": "binary",
        "id": "int64",
        "at": "timestamp",
        "kind": "string",
        "debit": "string",
        "credit": "string",
        "amount": "int64",
        "reference": "string",
        "account": "string",
    },
}
"""The columns of each kind of file. Times are microseconds in UTC."""


def require() -> None:
    """Raise `Misconfigured` when pyarrow is not installed."""
    _arrow("pyarrow.parquet")


def _arrow(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Misconfigured(
            "archives need pyarrow: install framemeter with the extra `archive`, as in"
            " pip install 'framemeter[archive]'"
        ) from error


class RowSink:
    """Takes rows and writes them a group at a time."""

    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer = writer
        self._schema = schema
        self._rows: list[Row] = []
        self.rows = 0

    def add(self, row: Row) -> None:
        """Add a row."""
        self._rows.append(row)
        self.rows += 1
        if len(self._rows) >= ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait as a group."""
        if self._rows:
            batch = _arrow("pyarrow").RecordBatch.from_pylist(self._rows, schema=self._schema)
            self._writer.write_batch(batch)
            self._rows.clear()

    def describe(self, metadata: Mapping[str, Any]) -> None:
        """Say what the file covers."""
        self._writer.add_key_value_metadata({METADATA_KEY: json.dumps(metadata, sort_keys=True)})


@contextmanager
def writing(path: Path, kind: str) -> Iterator[RowSink]:
    """Write a file of this kind; it appears, whole and on disk, when the block ends well.

    Raises `Retryable` when the disk refuses; a file that was there before is then untouched.
    """
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with half.open("wb") as file:
            schema = _schema(kind)
            writer = _arrow("pyarrow.parquet").ParquetWriter(file, schema, compression="zstd")
            sink = RowSink(writer, schema)
            try:
                yield sink
                sink.flush()
            finally:
                writer.close()
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except OSError as error:
        raise Retryable(
            f"cannot write {path}: {error.strerror or error}; make room or mend the disk and run it"
            " again (no half-written file is left)"
        ) from error
    finally:
        half.unlink(missing_ok=True)


def _schema(kind: str) -> Any:
    arrow = _arrow("pyarrow")
    types = {
        "int32": arrow.int32(),
        "int64": arrow.int64(),
        "string": arrow.string(),
        "binary": arrow.binary(),
        "timestamp": arrow.timestamp("us", tz="UTC"),
    }
    return arrow.schema([(name, types[word]) for name, word in SCHEMAS[kind].items()])


def metadata_of(path: Path) -> dict[str, Any]:
    """Return what a file says that it covers; raise `Rejected` when it is none of ours."""
    with _opened(path) as file:
        found = (file.schema_arrow.metadata or {}) | (file.metadata.metadata or {})
        try:
            return dict(json.loads(found[METADATA_KEY.encode()]))
        except (KeyError, ValueError) as error:
            raise Rejected(f"{path} was not written by `framemeter export`") from error


def rows_of(path: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Return a file's rows in order, a group at a time in memory; raise `Rejected` if it is bad."""
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP, columns=columns):
            yield from batch.to_pylist()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    invalid = _arrow("pyarrow").ArrowException
    try:
        with _arrow("pyarrow.parquet").ParquetFile(path) as file:
            yield file
    except (OSError, invalid) as error:
        raise Rejected(f"{path} cannot be read as Parquet: {error}") from error
