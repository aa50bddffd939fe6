"""The one way out: whoever connects to a component has its address from here, and from nowhere else.

An address is given only for a component that was declared, with a region that policy allows for it; giving it tells the guard
of this process, which refuses every other connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domicile.adapters.egress.destinations import Destination, canonical, destinations
from domicile.adapters.egress.guard import EgressGuard
from domicile.domain.errors import ConfigurationError


class Outbound:
    """Made once residency is checked, from the addresses that passed: by kind of component, the one that its client is given
    first, and then those that the client finds from it."""

    def __init__(self, addresses: Mapping[str, Iterable[str]], guard: EgressGuard) -> None:
        self._addresses = {kind: tuple(urls) for kind, urls in addresses.items()}
        self._guard = guard

    def way_to(self, kind: str) -> str:
        """The address of that component; from here on this process may connect to it. Raises ``ConfigurationError``."""
        if kind not in self._addresses:
            raise ConfigurationError(f"No {kind} is declared, so nothing may connect to one.")
        urls = self._addresses[kind]
        for url in urls:
            for each in destinations(url):
                self._guard.permit(each)
        return urls[0]

    def permit_own(self, host: str, port: int) -> None:
        """Let the service see whether it answers itself."""
        self._guard.permit(Destination(canonical(host), port))
