"""The way out for one cell: given only once every component is where policy allows it."""

from __future__ import annotations

from collections.abc import Callable

from domicile.access.inforce import PoliciesInForce
from domicile.access.places import Places
from domicile.adapters.egress.guard import PROCESS_GUARD
from domicile.adapters.egress.outbound import Outbound
from domicile.adapters.identity.clock import SystemClock
from domicile.bootstrap.residency import addresses, check_residency, components
from domicile.bootstrap.tls import client_tls
from domicile.bootstrap.transport import is_on_this_machine
from domicile.config import Settings
from domicile.domain.values import Region
from domicile.policy.decision import DecisionPoint


def checked_outbound(settings: Settings, decisions: DecisionPoint) -> Outbound:
    """What every client of a component gets its address from. Raises as ``check_residency`` and ``client_tls`` do."""
    check_residency(settings, decisions, SystemClock())
    if not all(is_on_this_machine(each.address) for each in components(settings)):
        client_tls(settings)  # whose files have to be there before anything is opened
    return Outbound(addresses(settings), PROCESS_GUARD)


def places(settings: Settings) -> Places:
    """How this cell tells where a client is; raises ``ConfigurationError``."""
    return Places.parse(proxies=settings.trusted_proxies, header=settings.access_region_header, regions=settings.access_regions)


def region_url(in_force: PoliciesInForce) -> Callable[[Region], str]:
    """Where the cell of a region answers, by the regions of the policies in force; empty where they do not say."""

    def url(region: Region) -> str:
        entry = in_force.platform.bundle.regions.region(region)
        return entry.url if entry else ""

    return url
