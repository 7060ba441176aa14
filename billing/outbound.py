"""Requests to addresses that strangers name, without becoming their way into our network.

A host is resolved once, all its addresses checked, and one of them connected to in the host's
name, so that a name that changes its mind gains nothing. Whoever sends follows no redirect without
asking here again. What is refused is `Rejected`, with a reason that the stranger may read.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from wire.errors import Rejected

URL_LENGTH_MAX = 2048
PORTS = {"http": 80, "https": 443}
PORT_MAX = 65_535
EXTRA_BLOCKS = tuple(
    ipaddress.ip_network(block) for block in ("192.88.99.0/24", "64:ff9b:1::/48", "fec0::/10")
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
IPV4_COMPATIBLE = ipaddress.ip_network("::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A checked address, and the name in which it is asked."""

    url: httpx.URL
    host_header: str
    server_name: str

    def request(
        self,
        client: httpx.AsyncClient,
        method: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Request:
        """Return a request that connects to the checked address alone."""
        return client.build_request(
            method,
            self.url,
            content=content,
            headers={**(headers or {}), "Host": self.host_header},
            extensions={"sni_hostname": self.server_name},
        )


async def destination(
    url: str, *, resolver: Resolve = resolve, allow_private: bool = False
) -> Destination:
    """Return where a request for `url` goes; raise `Rejected` when it must not or cannot."""
    parsed = parse_url(url)
    port = parsed.port or PORTS[parsed.scheme]
    address = await _address(parsed.host, port, resolver, allow_private)
    return Destination(
        url=parsed.copy_with(host=str(address), fragment=None),
        host_header=parsed.netloc.decode("ascii"),
        server_name=parsed.raw_host.decode("ascii"),
    )


async def _address(host: str, port: int, resolver: Resolve, allow_private: bool) -> Address:
    try:
        found = [ipaddress.ip_address(text) for text in await resolver(host, port)]
    except (OSError, UnicodeError, ValueError):
        raise Rejected("the host's name has no address") from None
    if not found:
        raise Rejected("the host's name has no address")
    if not allow_private and not all(is_public(address) for address in found):
        raise Rejected("addresses of private networks are refused")
    return found[0]


def parse_url(url: str) -> httpx.URL:
    """Return the URL taken apart; raise `Rejected` with what is wrong with it."""
    if len(url) > URL_LENGTH_MAX:
        raise Rejected(f"the URL is longer than {URL_LENGTH_MAX} characters")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise Rejected("it is not a URL") from None
    if parsed.scheme not in PORTS or not parsed.host:
        raise Rejected("it must start with http:// or https:// and name a host")
    if parsed.port is not None and not 0 < parsed.port <= PORT_MAX:
        raise Rejected(f"{parsed.port} is not a port")
    if parsed.userinfo:
        raise Rejected("user names and passwords in it are refused")
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


def is_private_literal(host: str) -> bool:
    """Say whether `host` is no name but an address, and not one of the open internet."""
    try:
        return not is_public(ipaddress.ip_address(host))
    except ValueError:
        return False


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
