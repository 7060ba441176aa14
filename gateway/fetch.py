"""Fetches the image behind a caller's URL, without becoming the caller's way into our network.

A host is resolved once, its address checked, and that very address connected to, so that a name
that changes its mind gains nothing; each redirect is checked anew. Bytes, time and redirects are
bounded. Proxies of the environment are not used and connections are not shared between hosts.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urljoin

import httpx

from gateway.problems import ProblemRaised, raised

URL_LENGTH_MAX = 2048
REDIRECTS_MAX = 3
REDIRECT_STATUSES = (301, 302, 303, 307, 308)
PORTS = {"http": 80, "https": 443}
PORT_MAX = 65_535
EXTRA_BLOCKS = tuple(
    ipaddress.ip_network(block) for block in ("192.88.99.0/24", "64:ff9b:1::/48", "fec0::/10")
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
IPV4_COMPATIBLE = ipaddress.ip_network("::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What one fetch may cost. `allow_private` is for tests and closed networks alone."""

    bytes_max: int
    timeout_s: float
    allow_private: bool = False


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Fetcher:
    """Fetches images; close it when done."""

    def __init__(
        self,
        limits: FetchLimits,
        *,
        resolver: Resolve = resolve,
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
        parsed = parse_url(url)
        port = parsed.port or PORTS[parsed.scheme]
        address = await self._address(parsed.host, port)
        return self._client.build_request(
            "GET",
            parsed.copy_with(host=str(address), fragment=None),
            headers={"Host": parsed.netloc.decode("ascii")},
            extensions={"sni_hostname": parsed.raw_host.decode("ascii")},
        )

    async def _address(self, host: str, port: int) -> Address:
        try:
            found = [ipaddress.ip_address(text) for text in await self._resolve(host, port)]
        except (OSError, UnicodeError, ValueError):
            raise _failed("the host's name has no address") from None
        if not found:
            raise _failed("the host's name has no address")
        if not self._limits.allow_private and not all(is_public(address) for address in found):
            raise raised(
                "image-not-fetched", 422, "image_url: addresses of private networks are refused"
            )
        return found[0]

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


def parse_url(url: str) -> httpx.URL:
    """Return the URL taken apart; a 422 problem says what is wrong with it."""
    if len(url) > URL_LENGTH_MAX:
        raise _failed(f"the URL is longer than {URL_LENGTH_MAX} characters")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise _failed("it is not a URL") from None
    if parsed.scheme not in PORTS or not parsed.host:
        raise _failed("it must start with http:// or https:// and name a host")
    if parsed.port is not None and not 0 < parsed.port <= PORT_MAX:
        raise _failed(f"{parsed.port} is not a port")
    if parsed.userinfo:
        raise _failed("user names and passwords in it are refused")
    return parsed


def is_public(address: Address) -> bool:
    """Say whether an address is one of the open internet, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return is_public(inner)
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )
    return address.is_global and not special and not any(address in block for block in EXTRA_BLOCKS)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 one leads to: mapped, 6to4, Teredo, NAT64."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in NAT64 or address in IPV4_COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


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
