"""From where somebody looks: the access region of a request (a person in a third country who looks is a transfer).

Obligations, labelled where they are met:

1. Only a proxy that the operator trusts can tell a region or another's address; what anybody else sends is not even looked at.
2. What such a proxy tells twice or in a form that is none is not known, rather than half known.
3. A proxy's own address says nothing about where its clients are.
4. Not known is a value of its own, ``unknown``, which policy can deny.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from domicile.domain.errors import CallerError, ConfigurationError
from domicile.domain.values import Region

UNKNOWN = "unknown"
FORWARDED_FOR = "x-forwarded-for"
#: Hops that a request may have come through; more is nobody's network.
_MOST_HOPS = 16
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """``address`` is the client's, as far as it is trusted; empty if unknown. ``region`` is a region's name or ``unknown``."""

    address: str
    region: str


class Places:
    """How this cell finds out where a client is. Without any setting: its address is known, and its region is not."""

    def __init__(
        self, *, proxies: Sequence[Network] = (), header: str = "", regions: Sequence[tuple[Network, Region]] = ()
    ) -> None:
        self._proxies = tuple(proxies)
        self._header = header.lower()
        # The narrowest network that holds an address is the one that tells its region.
        self._regions = sorted(regions, key=lambda each: each[0].prefixlen, reverse=True)

    @classmethod
    def parse(cls, *, proxies: Sequence[str], header: str, regions: Sequence[str]) -> Places:
        """From the settings' texts; raises ``ConfigurationError`` that names the setting."""
        trusted = [_network(text, "DOMICILE_TRUSTED_PROXIES") for text in proxies]
        if any(network.prefixlen == 0 for network in trusted):
            raise ConfigurationError(
                "DOMICILE_TRUSTED_PROXIES would trust every client.", hint="Name the addresses of your own proxies."
            )
        if header and not _HEADER.fullmatch(header):
            raise ConfigurationError("DOMICILE_ACCESS_REGION_HEADER is not the name of a header.")
        if header and not trusted:
            raise ConfigurationError(
                "DOMICILE_ACCESS_REGION_HEADER is set, but no proxy is trusted to send it.",
                hint="Set DOMICILE_TRUSTED_PROXIES to the addresses of the proxies that set this header on every request.",
            )
        mapped = [_mapping(text) for text in regions]
        if len({network for network, _ in mapped}) < len(mapped):
            raise ConfigurationError("DOMICILE_ACCESS_REGIONS names a network twice.")
        return cls(proxies=trusted, header=header, regions=mapped)

    def locate(self, peer: str, sent: Callable[[str], Sequence[str]]) -> Whereabouts:
        """Where the client is that ``peer`` (the other end of the connection) is or speaks for.

        ``sent`` gives every value of a header, by its name in lower case.
        """
        address = _address(peer)
        if address is None or not self._is_proxy(address):  # (1)
            return self._mapped(address, peer)
        client = self._client(sent(FORWARDED_FOR))
        told = self._told(sent)
        if told is not None:
            return Whereabouts(str(client) if client else peer, told)
        return self._mapped(client, "") if client else Whereabouts(peer, UNKNOWN)  # (3)

    def _told(self, sent: Callable[[str], Sequence[str]]) -> str | None:
        """The region that the proxy tells; None if it tells none."""
        values = sent(self._header) if self._header else ()
        if not values:
            return None
        try:
            return Region(values[0].strip()).name if len(values) == 1 else UNKNOWN  # (2)
        except CallerError:
            return UNKNOWN  # (2)

    def _client(self, values: Sequence[str]) -> Address | None:
        """The last address that a trusted proxy saw and is no proxy itself: the client may have made up all before it."""
        hops = [hop.strip() for value in values for hop in value.split(",")]
        for hop in reversed(hops[-_MOST_HOPS:]):
            address = _address(hop)
            if address is None or not self._is_proxy(address):
                return address
        return None

    def _mapped(self, address: Address | None, peer: str) -> Whereabouts:
        if address is None:
            return Whereabouts(peer, UNKNOWN)  # (4)
        region = next((region.name for network, region in self._regions if _holds(network, address)), UNKNOWN)
        return Whereabouts(str(address), region)

    def _is_proxy(self, address: Address) -> bool:
        return any(_holds(network, address) for network in self._proxies)


def _holds(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network


def _address(text: str) -> Address | None:
    """An IPv4 address within IPv6 is told as what it is, so that one entry of a list is good for both kinds of socket."""
    try:
        address = ip_address(text.partition("%")[0].strip("[]"))
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _network(text: str, setting: str) -> Network:
    try:
        return ip_network(text.strip())
    except ValueError:
        raise ConfigurationError(
            f"{setting} names what is not a network.", hint="Write it like 10.1.0.0/16 or 2001:db8::/32, without host bits."
        ) from None


def _mapping(text: str) -> tuple[Network, Region]:
    network, _, region = text.partition("=")
    try:
        return _network(network, "DOMICILE_ACCESS_REGIONS"), Region(region.strip())
    except CallerError:
        wrong = "DOMICILE_ACCESS_REGIONS names what is not a region."
        raise ConfigurationError(wrong, hint="Write it like 10.1.0.0/16=eu-de.") from None
