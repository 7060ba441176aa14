"""Fetches the image behind a caller's URL, without becoming the caller's way into our network.

Each address is checked by `billing.outbound`, each redirect's anew. Bytes, time and redirects are
bounded. Proxies of the environment are not used and connections are not shared between hosts.
"""

import asyncio
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urljoin

import httpx

from billing import outbound
from gateway.problems import ProblemRaised, raised
from wire.errors import Rejected

REDIRECTS_MAX = 3
REDIRECT_STATUSES = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What one fetch may cost. `allow_private` is for tests and closed networks alone."""

    bytes_max: int
    timeout_s: float
    allow_private: bool = False


class Fetcher:
    """Fetches images; close it when done."""

    def __init__(
        self,
        limits: FetchLimits,
        *,
        resolver: outbound.Resolve = outbound.resolve,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._limits = limits
        self._resolve = resolver
        self._client = httpx.AsyncClient(
            transport=transport,
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=limits.timeout_s,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={
                "User-Agent": "framemeter",
                "Accept": "image/*",
                "Accept-Encoding": "identity",
            },
        )

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.aclose()

    async def fetch(self, url: str) -> bytes:
        """Return the bytes behind `url`; a 422 problem says why not."""
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                return await self._follow(url)
        except TimeoutError:
            raise _failed(f"no answer within {self._limits.timeout_s:g} s") from None

    async def _follow(self, url: str) -> bytes:
        for _ in range(REDIRECTS_MAX + 1):
            request = await self._request(url)
            try:
                response = await self._client.send(request, stream=True)
                try:
                    target = _redirect(response)
                    if target is None:
                        return await self._read(response)
                finally:
                    await response.aclose()
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                raise _failed(f"the host does not answer properly ({_name(error)})") from error
            url = urljoin(url, target)
        raise _failed(f"more than {REDIRECTS_MAX} redirects")

    async def _request(self, url: str) -> httpx.Request:
        """Return a request to the checked address of the URL's host, in the host's name."""
        try:
            checked = await outbound.destination(
                url, resolver=self._resolve, allow_private=self._limits.allow_private
            )
        except Rejected as error:
            raise _failed(str(error)) from None
        return checked.request(self._client, "GET")

    async def _read(self, response: httpx.Response) -> bytes:
        if response.status_code != 200:
            raise _failed(f"the host answered {response.status_code}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise _failed("the host sends compressed bytes although it was asked not to")
        bytes_max = self._limits.bytes_max
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > bytes_max:
            raise _failed(f"the image is larger than {bytes_max} bytes")
        content = bytearray()
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > bytes_max:
                raise _failed(f"the image is larger than {bytes_max} bytes")
        return bytes(content)


def _redirect(response: httpx.Response) -> str | None:
    if response.status_code not in REDIRECT_STATUSES:
        return None
    target = response.headers.get("location")
    if not target:
        raise _failed("the host redirects to nowhere")
    return str(target)


def _failed(reason: str) -> ProblemRaised:
    return raised("image-not-fetched", 422, f"image_url: {reason}")


def _name(error: Exception) -> str:
    return type(error).__name__
