"""Weights from a URL: fetched once, checked, kept by their SHA-256.

Promises that a file which is returned has the bytes that its digest names, that a file is whole or
not there, and that bytes, time and redirects are bounded. Raises `Retryable` when the server is
away, `Rejected` when asking again cannot help. No message tells a URL's query, it may hold a key.
"""

import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import httpx

from wire.errors import Rejected, Retryable

SUFFIXES = (".pt", ".onnx")
BYTES_MAX = 2 * 1024**3
FETCH_S = 600.0
SILENCE_S = 30.0
REDIRECTS_MAX = 5
KEPT_MAX = 64
"""How many fetched files the cache holds; those that were used longest ago go first."""


def is_url(source: str) -> bool:
    """Say whether the source is fetched, and not a file here or a name."""
    return "://" in source


def fetch(
    source: str, sha256: str, cache: Path, *, transport: httpx.BaseTransport | None = None
) -> Path:
    """Return the file that `source` holds, from the cache when it was fetched before."""
    parts = urlsplit(source)
    suffix = Path(parts.path).suffix.lower()
    if parts.scheme != "https" or not parts.hostname:
        raise Rejected(f"{shown(source)}: weights are fetched by https only")
    if not sha256:
        raise Rejected(f"{shown(source)}: weights from a URL need their sha256")
    if suffix not in SUFFIXES:
        raise Rejected(f"{shown(source)}: a URL must end with {' or '.join(SUFFIXES)}")
    folder = cache / "weights"
    kept = folder / f"{sha256}{suffix}"
    if kept.is_file() and digest(kept) == sha256:
        os.utime(kept)
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    _download(source, sha256, kept, transport)
    _let_go(folder)
    return kept


def verify(path: Path, sha256: str) -> None:
    """Raise `Rejected` when the file's bytes are not those that the digest names."""
    found = digest(weights_file(path))
    if found != sha256:
        raise Rejected(f"{path.name} has SHA-256 {found}, not {sha256}: give the right file")


def weights_file(path: Path) -> Path:
    """Return the file that holds a model's weights: of an OpenVINO model the `.bin` beside it."""
    return path.with_suffix(".bin") if path.suffix == ".xml" else path


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shown(source: str) -> str:
    """Return a source as it may be told: a URL without user, password and query."""
    if not is_url(source):
        return source
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _download(source: str, sha256: str, kept: Path, transport: httpx.BaseTransport | None) -> None:
    """Write the bytes beside `kept`, check them, then give them its name."""
    handle, name = tempfile.mkstemp(dir=kept.parent, prefix=".fetching-", suffix=kept.suffix)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            found = _receive(source, file, transport)
        if found != sha256:
            raise Rejected(f"{shown(source)} has SHA-256 {found}, not {sha256}")
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)


def _receive(source: str, file: BinaryIO, transport: httpx.BaseTransport | None) -> str:
    """Copy the answer into the file; return its SHA-256."""
    client = httpx.Client(
        transport=transport,
        timeout=SILENCE_S,
        follow_redirects=True,
        max_redirects=REDIRECTS_MAX,
        event_hooks={"request": [_https_only]},
    )
    try:
        with client, client.stream("GET", source) as response:
            _check_status(source, response.status_code)
            return _copy(source, response, file)
    except httpx.TooManyRedirects as error:
        raise Rejected(f"{shown(source)}: over {REDIRECTS_MAX} redirects") from error
    except httpx.InvalidURL as error:
        raise Rejected(f"{shown(source)}: {error}") from error
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise Retryable(f"{shown(source)} cannot be fetched now: {reason}") from error


def _https_only(request: httpx.Request) -> None:
    """Let no redirect lead away from https."""
    if request.url.scheme != "https":
        raise Rejected(f"{shown(str(request.url))}: weights are fetched by https only")


def _check_status(source: str, status: int) -> None:
    if status in {408, 425, 429} or status >= 500:
        raise Retryable(f"{shown(source)} answers {status}")
    if status != 200:
        raise Rejected(f"{shown(source)} answers {status}")


def _copy(source: str, response: httpx.Response, file: BinaryIO) -> str:
    sha, total = hashlib.sha256(), 0
    until = time.monotonic() + FETCH_S
    for chunk in response.iter_bytes(1 << 20):
        total += len(chunk)
        if total > BYTES_MAX:
            raise Rejected(f"{shown(source)} is larger than {BYTES_MAX} bytes")
        if time.monotonic() > until:
            raise Retryable(f"{shown(source)} did not arrive within {FETCH_S:.0f} s")
        sha.update(chunk)
        file.write(chunk)
    return sha.hexdigest()


def _let_go(folder: Path) -> None:
    """Remove the files beyond the bound, the least lately used first."""
    files = [path for path in folder.iterdir() if path.suffix in SUFFIXES]
    dated = sorted(
        (path for path in files if path.is_file()), key=lambda path: path.stat().st_mtime
    )
    for path in dated[:-KEPT_MAX]:
        path.unlink(missing_ok=True)
