"""Weights are fetched once, whole, by https, and only when they are the ones that were meant."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from consumers.detector import weights
from consumers.detector.weights import fetch, shown, verify
from wire.errors import Rejected, Retryable

URL = "https://user:word@models.example/v1/park.pt?key=secret"
CONTENT = b"weights" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Shelf:
    """A server of weights that counts how often it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.transport = httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def good() -> httpx.Response:
    return httpx.Response(200, content=CONTENT)


def moved(to: str) -> httpx.Response:
    return httpx.Response(302, headers={"location": to})


def test_weights_are_fetched_once_and_again_when_the_file_was_damaged(tmp_path: Path) -> None:
    shelf = Shelf(moved("https://other.example/x"), good(), good())
    path = fetch(URL, SHA256, tmp_path, transport=shelf.transport)
    assert path.read_bytes() == CONTENT
    assert path.suffix == ".pt"
    assert fetch(URL, SHA256, tmp_path, transport=shelf.transport) == path
    assert len(shelf.asked) == 2
    path.write_bytes(b"damaged")
    assert fetch(URL, SHA256, tmp_path, transport=shelf.transport).read_bytes() == CONTENT


def broken_off() -> Iterator[bytes]:
    yield CONTENT[:10]
    raise httpx.ReadError("connection reset")


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (lambda: httpx.Response(200, content=b"others"), Rejected, "has SHA-256"),
        (lambda: httpx.Response(404), Rejected, "answers 404"),
        (lambda: httpx.Response(503), Retryable, "answers 503"),
        (lambda: httpx.Response(429), Retryable, "answers 429"),
        (lambda: httpx.ConnectError("refused"), Retryable, "refused"),
        (lambda: httpx.ReadTimeout(""), Retryable, "ReadTimeout"),
        (lambda: httpx.Response(200, content=broken_off()), Retryable, "reset"),
        (lambda: moved("http://models.example/park.pt"), Rejected, "https only"),
    ],
)
def test_what_goes_wrong_leaves_no_file_and_tells_no_secret(
    tmp_path: Path,
    answer: Callable[[], httpx.Response | Exception],
    kind: type[Exception],
    reason: str,
) -> None:
    with pytest.raises(kind, match=reason) as raised:
        fetch(URL, SHA256, tmp_path, transport=Shelf(answer()).transport)
    assert "models.example/" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "word" not in str(raised.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("source", "sha256", "reason"),
    [
        ("http://models.example/a.pt", SHA256, "https only"),
        ("file:///etc/passwd", SHA256, "https only"),
        ("https://models.example/a.pt", "", "sha256"),
        ("https://models.example/a.xml", SHA256, "must end with"),
    ],
)
def test_what_cannot_be_fetched_safely_is_not_asked_for(
    tmp_path: Path, source: str, sha256: str, reason: str
) -> None:
    shelf = Shelf()
    with pytest.raises(Rejected, match=reason):
        fetch(source, sha256, tmp_path, transport=shelf.transport)
    assert shelf.asked == []


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "BYTES_MAX", len(CONTENT) - 1)
    with pytest.raises(Rejected, match="larger than"):
        fetch(URL, SHA256, tmp_path, transport=Shelf(good()).transport)


def test_the_cache_lets_the_least_used_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "KEPT_MAX", 2)
    paths = []
    for number in range(4):
        content = bytes([number])
        shelf = Shelf(httpx.Response(200, content=content))
        digest = hashlib.sha256(content).hexdigest()
        paths.append(fetch(URL, digest, tmp_path, transport=shelf.transport))
    assert sum(path.is_file() for path in paths) == 2
    assert paths[-1].is_file(), "what was just fetched stays"


def test_a_local_file_is_the_one_that_was_meant_or_not(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<net/>")
    (tmp_path / "a.bin").write_bytes(CONTENT)
    verify(tmp_path / "a.xml", SHA256)
    (tmp_path / "a.bin").write_bytes(b"others")
    with pytest.raises(Rejected, match="give the right file"):
        verify(tmp_path / "a.xml", SHA256)
    assert shown(URL) == "https://models.example/v1/park.pt"
    assert shown("models/park.pt") == "models/park.pt"
