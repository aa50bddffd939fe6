"""From where somebody looks: only what a trusted proxy or the network tells, and never what a client claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.access.places import Places, Whereabouts
from domicile.domain.errors import ConfigurationError

HEADER = "X-Client-Region"
REGIONS = ("10.0.0.0/8=eu-de", "10.9.0.0/16=eu-fr", "2001:db8::/32=us-va")


def places(**settings: object) -> Places:
    return Places.parse(**{"proxies": ("192.0.2.0/28", "2001:db8:ff::1"), "header": HEADER, "regions": REGIONS, **settings})


def located(peer: str, headers: Mapping[str, Sequence[str]] | None = None, **settings: object) -> Whereabouts:
    return places(**settings).locate(peer, lambda name: (headers or {}).get(name, ()))


def told(*regions: str, peer: str = "192.0.2.1") -> str:
    return located(peer, {"x-client-region": regions}).region


def test_without_settings_the_address_is_known_and_the_region_is_not() -> None:
    """Unknown is a value of its own, which policy can deny."""
    assert Places().locate("203.0.113.7", lambda _: ["eu-de"]) == Whereabouts("203.0.113.7", "unknown")


@pytest.mark.parametrize("peer", ["192.0.2.1", "2001:db8:ff::1", "::ffff:192.0.2.1"])
def test_a_trusted_proxy_tells_the_region(peer: str) -> None:
    """Over IPv4, IPv6, and IPv4 on an IPv6 socket."""
    assert told("eu-de", peer=peer) == "eu-de"


@pytest.mark.parametrize("peer", ["192.0.2.16", "203.0.113.7", "10.1.2.3", "2001:db8:ff::2", "::ffff:203.0.113.7", "", "proxy"])
def test_nobody_else_can(peer: str) -> None:
    """The same header and the same forwarded address from any other client change nothing."""
    headers = {"x-client-region": ["us-va"], "x-forwarded-for": ["10.9.0.1"]}
    assert located(peer, headers) == located(peer)


@given(
    st.ip_addresses().filter(lambda each: not places()._is_proxy(each)),
    st.lists(st.text(max_size=30), max_size=3),
    st.lists(st.text(max_size=60), max_size=3),
)
def test_no_header_of_a_stranger_matters(peer: object, regions: list[str], hops: list[str]) -> None:
    """Whatever it says."""
    assert located(str(peer), {"x-client-region": regions, "x-forwarded-for": hops}) == located(str(peer))


@pytest.mark.parametrize("regions", [("eu-de", "us-va"), ("eu-de,us-va",), ("Germany",), ("",), ("eu-de", "eu-de")])
def test_what_a_proxy_tells_twice_or_wrongly_is_not_known(regions: tuple[str, ...]) -> None:
    """A client may have sent the header first, with a proxy that adds its own beside it."""
    assert told(*regions) == "unknown"


def test_the_narrowest_network_tells_the_region() -> None:
    """Of IPv4 and IPv6 alike; an address of none is unknown."""
    assert located("10.1.2.3").region == "eu-de"
    assert located("10.9.2.3").region == "eu-fr"
    assert located("::ffff:10.9.2.3") == Whereabouts("10.9.2.3", "eu-fr")
    assert located("2001:db8::5").region == "us-va"
    assert located("203.0.113.7").region == "unknown"


def test_a_proxys_own_address_tells_nothing_about_its_clients() -> None:
    """Also where the map has a region for it."""
    assert located("192.0.2.1", regions=("192.0.2.0/24=eu-de",)).region == "unknown"


def test_the_client_behind_proxies_is_the_last_address_that_is_none() -> None:
    """Whatever stands before it, the client may have written itself."""
    headers = {"x-forwarded-for": ["10.1.1.1, 10.9.7.7", "192.0.2.2"]}
    assert located("192.0.2.1", headers) == Whereabouts("10.9.7.7", "eu-fr")
    broken = {"x-forwarded-for": ["10.9.7.7, nonsense"]}
    assert located("192.0.2.1", broken) == Whereabouts("192.0.2.1", "unknown")


def test_the_header_goes_before_the_map() -> None:
    """The proxy knows better than the network; the address is the client's all the same."""
    headers = {"x-client-region": ["us-va"], "x-forwarded-for": ["10.1.1.1"]}
    assert located("192.0.2.1", headers) == Whereabouts("10.1.1.1", "us-va")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"proxies": ("10.0.0.1/8",)}, "DOMICILE_TRUSTED_PROXIES"),
        ({"proxies": ("0.0.0.0/0",)}, "DOMICILE_TRUSTED_PROXIES"),
        ({"proxies": ("::/0",)}, "DOMICILE_TRUSTED_PROXIES"),
        ({"proxies": ("proxy.example",)}, "DOMICILE_TRUSTED_PROXIES"),
        ({"proxies": ()}, "DOMICILE_ACCESS_REGION_HEADER"),
        ({"header": "X Region"}, "DOMICILE_ACCESS_REGION_HEADER"),
        ({"regions": ("10.0.0.0/8",)}, "DOMICILE_ACCESS_REGIONS"),
        ({"regions": ("10.0.0.0/8=Germany",)}, "DOMICILE_ACCESS_REGIONS"),
        ({"regions": ("10.0.0.0/40=eu-de",)}, "DOMICILE_ACCESS_REGIONS"),
        ({"regions": ("10.0.0.0/8=eu-de", "10.0.0.0/8=eu-fr")}, "DOMICILE_ACCESS_REGIONS"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_by_name(settings: dict[str, object], named: str) -> None:
    """Above all those that would let every client say where it is."""
    with pytest.raises(ConfigurationError, match=named):
        places(**settings)
