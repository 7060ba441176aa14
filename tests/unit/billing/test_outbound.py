"""Addresses that strangers name: which are of the open internet, and what stands in a request."""

import ipaddress

import httpx
import pytest

from billing.outbound import destination, is_public, parse_url
from wire.errors import Rejected

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        *[
            (address, False)
            for address in (
                *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
                *("0.0.0.0", "100.64.0.1", "198.18.0.1", "192.88.99.1", "224.0.0.1", "240.0.0.1"),
                *("255.255.255.255", "::", "::1", "fe80::1", "fec0::1", "fd00::1", "ff02::1"),
                *("2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1"),
                *("2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b:1::1", "2001:0:0:0:0:0:80ff:fffe"),
            )
        ],
    ],
)
def test_only_addresses_of_the_open_internet_are_public(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


def test_an_international_name_is_understood() -> None:
    assert parse_url("https://münchen.example/").raw_host == b"xn--mnchen-3ya.example"


async def test_a_request_connects_to_the_address_that_was_checked_in_the_names_name() -> None:
    async def names(host: str, port: int) -> list[str]:
        assert (host, port) == ("public.example", 8443)
        return [PUBLIC]

    found = await destination("https://public.example:8443/x?y=1#z", resolver=names)
    async with httpx.AsyncClient() as client:
        request = found.request(client, "POST", headers={"Host": "other", "A": "b"}, content=b"x")
    assert str(request.url) == f"https://{PUBLIC}:8443/x?y=1"
    assert request.headers.get_list("host") == ["public.example:8443"]
    assert (request.headers["a"], request.content) == ("b", b"x")
    assert request.extensions["sni_hostname"] == "public.example"


@pytest.mark.parametrize("found", [[], ["no address"], [PUBLIC, "10.0.0.1"], ["::1"]])
async def test_a_name_without_a_public_address_is_refused(found: list[str]) -> None:
    async def names(host: str, port: int) -> list[str]:
        return found

    with pytest.raises(Rejected, match=r"no address|private networks"):
        await destination("https://public.example/", resolver=names)
