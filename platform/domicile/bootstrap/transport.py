"""Whether what goes to a component is protected on its way: by TLS, or by not leaving this machine.

There is no setting that turns this off.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

from domicile.adapters.egress.destinations import destinations, is_loopback
from domicile.domain.errors import ConfigurationError

#: What a database's URL may say besides where it is. Everything else that its drivers take can lead elsewhere (``service``,
#: ``hostaddr``), or switch TLS or its checks off (``sslmode``, ``ssl=disable``, ``sslrootcert``, ``direct_tls`` …).
_DATABASE_QUERY = frozenset({"host", "ssl"})
#: The one thing that it may say about TLS: to want it on this machine, too.
_DATABASE_TLS = "verify-full"


def is_on_this_machine(address: str) -> bool:
    """Whether every place that the address leads to is loopback or a Unix socket, and it does not ask for TLS."""
    return all(is_loopback(each) for each in destinations(address)) and not _asks_for_tls(address)


def transport_faults(kind: str, address: str, setting: str) -> Iterator[str]:
    """What is wrong with the way to a component, without repeating its address; nothing for an address that leads nowhere."""
    try:
        at_home = is_on_this_machine(address)
    except ConfigurationError:
        return  # which is another fault, told elsewhere
    if _scheme(address) == "postgresql":
        for name, value in parse_qsl(urlsplit(address).query, keep_blank_values=True):
            if name not in _DATABASE_QUERY:
                yield f"the {kind}'s address may name hosts in its query and nothing else ({setting})"
            elif name == "ssl" and value != _DATABASE_TLS:
                yield f"the {kind}'s address weakens TLS, which is always 'verify-full' ({setting})"
    elif not at_home and _scheme(address) != "https":
        yield f"the {kind} is outside this machine and its address is not https ({setting})"


def without_tls_query(url: str) -> str:
    """The database's address for drivers that are told about TLS otherwise."""
    base, _, query = url.partition("?")
    kept = urlencode([each for each in parse_qsl(query, keep_blank_values=True) if each[0] != "ssl"], safe="/:,[]")
    return f"{base}?{kept}" if kept else base


def _asks_for_tls(address: str) -> bool:
    if _scheme(address) == "https":
        return True
    return _scheme(address) == "postgresql" and ("ssl", _DATABASE_TLS) in parse_qsl(urlsplit(address).query)


def _scheme(address: str) -> str:
    return urlsplit(address).scheme.partition("+")[0]
