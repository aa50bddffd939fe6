"""Addresses as settings give them, and the hosts and ports that they stand for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import parse_qs, urlsplit

from domicile.domain.errors import ConfigurationError

#: Ports that a scheme stands for where the address names none.
_PORTS = {"http": 80, "https": 443, "postgresql": 5432}
#: Qdrant's client is given the port of its REST interface and speaks gRPC to another one of the same host.
QDRANT_GRPC_PORT = 6334


@dataclass(frozen=True, slots=True)
class Destination:
    """A host (a name in lower case, or an IP address) and a TCP port; or, with port 0, the path of a Unix socket."""

    host: str
    port: int

    def __str__(self) -> str:
        if not self.port:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def destinations(url: str) -> tuple[Destination, ...]:
    """Every place that the address leads to; none for a file. Raises ``ConfigurationError`` without repeating the address.

    PostgreSQL's addresses may name hosts in their query, ``?host=one:5432&host=two:5432`` or ``?host=/var/run/postgresql``.
    """
    try:
        parts = urlsplit(url)
        scheme, port = parts.scheme.partition("+")[0], parts.port
    except ValueError:
        raise ConfigurationError("it is no address of the form scheme://host:port") from None
    if scheme == "sqlite":
        return ()
    port = port or _PORTS.get(scheme, 0)
    hosts = [host for host in parse_qs(parts.query).get("host", []) if host] if scheme == "postgresql" else []
    named = [*([parts.hostname] if parts.hostname else []), *(host for each in hosts for host in each.split(","))]
    if not named:
        raise ConfigurationError("it names no host")
    return tuple(_destination(host, port) for host in named)


def is_loopback(destination: Destination) -> bool:
    """Whether it is on this machine, whatever the network does: a loopback address, ``localhost``, or a Unix socket."""
    if not destination.port or destination.host == "localhost":
        return True
    return numeric(destination.host) is not None and ip_address(destination.host).is_loopback


def _destination(text: str, port: int) -> Destination:
    if text.startswith("/"):
        return Destination(f"{text.rstrip('/')}/.s.PGSQL.{port}", 0)
    host, _, own_port = text.rpartition(":") if text.count(":") == 1 else (text, "", "")
    port = int(own_port) if own_port.isdecimal() else port
    if not port:
        raise ConfigurationError("it names no port")
    return Destination(canonical(host), port)


def canonical(host: str) -> str:
    """The one spelling under which a host is known: IPv4 addresses within IPv6 are told as what they are."""
    address = numeric(host)
    return address or host.rstrip(".").lower()


def numeric(host: str) -> str | None:
    """The IP address that the text is, in its canonical form; None for a name."""
    try:
        address = ip_address(host.partition("%")[0].strip("[]"))
    except ValueError:
        return _old_style(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)


def _old_style(host: str) -> str | None:
    """``127.1`` and ``0x7f000001`` are addresses to the system, too."""
    if not host or not (host[0].isdecimal() and set(host.lower()) <= set("0123456789abcdefx.")):
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def shown(url: str) -> str:
    """The address for people to read: scheme, hosts and ports, without user, password, path and query."""
    try:
        places = destinations(url)
    except ConfigurationError:
        return "not an address"
    scheme = urlsplit(url).scheme.partition("+")[0]
    return ", ".join(f"{scheme}://{each}" if each.port else str(each) for each in places) or f"{scheme} file"


def domain_of(host: str) -> str:
    """As much of a host as may be written down: an IP address, or who owns the name.

    The labels to the left can be made to carry whatever somebody wants to smuggle out, and would then be in the audit log.
    """
    name = canonical(host)
    if numeric(host):
        return name
    labels = list(_printable(name))
    return ".".join(labels if len(labels) <= 2 else ["*", *labels[-2:]])[:128]


def _printable(name: str) -> Iterator[str]:
    for label in name.split("."):
        yield "".join(each if each.isascii() and (each.isalnum() or each == "-") else "?" for each in label)[:63]
