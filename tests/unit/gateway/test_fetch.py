"""Fetching a caller's URL does not lead into our network, whatever the URL, name or redirect."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from gateway.fetch import Fetcher, FetchLimits
from gateway.problems import ProblemRaised

PUBLIC = "93.184.216.34"
LIMITS = FetchLimits(bytes_max=1_000, timeout_s=1.0)
NAMES = {
    "public.example": [PUBLIC],
    "private.example": ["10.1.2.3"],
    "mixed.example": [PUBLIC, "127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:127.0.0.1"],
}


async def names(host: str, port: int) -> list[str]:
    """Resolve by the table, or take a literal address as it is."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        if host not in NAMES:
            raise OSError("no such name") from None
        return NAMES[host]


def fetcher(answer: Callable[[httpx.Request], httpx.Response]) -> Fetcher:
    """Return a fetcher whose network is a function."""
    return Fetcher(LIMITS, resolver=names, transport=httpx.MockTransport(answer))


def stream_of(*chunks: bytes) -> AsyncIterator[bytes]:
    async def chunk() -> AsyncIterator[bytes]:
        for one in chunks:
            yield one

    return chunk()


async def reason(answer: Callable[[httpx.Request], httpx.Response], url: str) -> str:
    """Return why a URL was not fetched."""
    subject = fetcher(answer)
    with pytest.raises(ProblemRaised) as caught:
        await subject.fetch(url)
    await subject.close()
    assert caught.value.problem.status == 422
    return caught.value.problem.detail


def never(request: httpx.Request) -> httpx.Response:
    """A network that must not be reached."""
    raise AssertionError(f"{request.url} was asked")


@pytest.mark.parametrize(
    "url",
    [
        "http://private.example/x.jpg",
        "http://mixed.example/x.jpg",
        "http://metadata.example/latest",
        "http://mapped.example/",
        "http://127.0.0.1/",
        "http://[::1]:8080/",
        "http://[::ffff:10.0.0.1]/",
        "https://192.168.0.1:8443/",
    ],
)
async def test_private_networks_are_refused_before_anything_is_sent(url: str) -> None:
    assert "private networks are refused" in await reason(never, url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x.jpg",
        "file:///etc/passwd",
        "ftp://public.example/x",
        "gopher://public.example/",
        "http://",
        "http://user:password@public.example/",
        "http://public.example/" + "x" * 3_000,
        "http://public.example:99999/",
    ],
)
async def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    assert await reason(never, url)


@pytest.mark.parametrize("target", ["http://private.example/", "//127.0.0.1/", "file:///etc/x"])
async def test_a_redirect_is_checked_like_the_first_address(target: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == PUBLIC
        return httpx.Response(302, headers={"location": target})

    assert await reason(answer, "http://public.example/a")


async def test_redirects_are_followed_a_few_times_and_no_more() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return httpx.Response(307, headers={"location": f"/{len(seen)}"})

    assert "redirects" in await reason(answer, "http://public.example/0")
    assert seen == ["/0", "/1", "/2", "/3"]


async def test_the_checked_address_is_the_one_that_is_asked_in_the_names_name() -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == PUBLIC
        assert request.headers["host"] == "public.example:8443"
        assert request.extensions["sni_hostname"] == "public.example"
        assert "accept-encoding" in request.headers and request.url.fragment == ""
        return httpx.Response(200, content=stream_of(b"image"))

    subject = Fetcher(LIMITS, resolver=rebinding, transport=httpx.MockTransport(answer))
    assert await subject.fetch("https://public.example:8443/x?y=1#z") == b"image"
    assert asked == ["public.example"]
    await subject.close()


async def test_a_large_image_is_refused_by_its_length_or_while_it_comes() -> None:
    def told(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-length": "1001"}, content=stream_of(b"x"))

    def untold(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=stream_of(b"x" * 600, b"x" * 600))

    assert "larger than 1000 bytes" in await reason(told, "http://public.example/")
    assert "larger than 1000 bytes" in await reason(untold, "http://public.example/")


async def test_compressed_bytes_and_other_statuses_are_refused() -> None:
    def packed(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "br"}, content=stream_of(b"x"))

    assert "compressed" in await reason(packed, "http://public.example/")
    assert "404" in await reason(lambda _: httpx.Response(404), "http://public.example/")


async def test_a_host_that_says_nothing_is_given_up() -> None:
    async def silent(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return [PUBLIC]

    subject = Fetcher(FetchLimits(bytes_max=10, timeout_s=0.05), resolver=silent)
    with pytest.raises(ProblemRaised, match="no answer within"):
        await subject.fetch("http://public.example/")
    await subject.close()


async def test_cookies_of_one_host_are_not_told_to_the_next() -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("cookie"))
        return httpx.Response(200, headers={"set-cookie": "a=b"}, content=stream_of(b"x"))

    subject = fetcher(answer)
    await subject.fetch("http://public.example/")
    await subject.fetch("http://public.example/")
    assert seen == [None, None]
    await subject.close()


async def test_a_real_server_is_fetched_from_when_private_networks_are_allowed() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    subject = Fetcher(FetchLimits(bytes_max=10, timeout_s=2.0, allow_private=True))
    async with server:
        assert await subject.fetch(f"http://localhost:{port}/x.jpg") == b"image"
    with pytest.raises(ProblemRaised, match="does not answer properly"):
        await subject.fetch(f"http://127.0.0.1:{port}/x.jpg")
    await subject.close()
