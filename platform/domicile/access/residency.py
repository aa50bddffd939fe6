"""Where every component of this cell is, what goes there, and which policy allows it: the live egress inventory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.principals import Caller
from domicile.domain.values import Region
from domicile.policy.request import Decision, EndpointResource, Resource, TenantResource

#: Who refuses a connection of this component's client to anywhere else: nobody where it is part of this process, the guard of
#: this process for clients written in Python, and only the network's policies for those that connect in native code.
IN_PROCESS, BY_GUARD, BY_NETWORK = "in-process", "process-guard", "network-policy"
#: How what goes to a component is kept from others on its way, where it leaves the process: by TLS, or by never leaving the
#: machine. There is no third one.
BY_TLS, BY_LOOPBACK = "tls", "loopback"


@dataclass(frozen=True, slots=True)
class Placed:
    """A component and where it is. ``address`` carries no credentials; ``data`` says what goes there, by fixed words."""

    kind: str
    address: str
    region: Region
    data: tuple[str, ...]
    confined: str = IN_PROCESS
    way: str = IN_PROCESS

    @property
    def resource(self) -> EndpointResource:
        """What policy decides about."""
        return EndpointResource(self.kind, self.kind, self.region)


@dataclass(frozen=True, slots=True)
class ComponentView:
    """A component as the inventory shows it, with the decision of this moment and the policies that determined it."""

    kind: str
    address: str
    region: str
    data: tuple[str, ...]
    allowed: bool
    policies: tuple[str, ...]
    confined: str = IN_PROCESS
    way: str = IN_PROCESS


@dataclass(frozen=True, slots=True)
class ResidencyView:
    """The cell's region, the digest of the policies that decided, and the components.

    ``signed_by`` is the id of the key that those policies were verified with; empty where no signature is required.
    """

    region: str
    bundle_digest: str
    components: tuple[ComponentView, ...]
    signed_by: str


Decide = Callable[[Sequence[Resource]], Sequence[Decision]]


def viewed(components: Sequence[Placed], decide: Decide) -> tuple[ComponentView, ...]:
    """The inventory of those components, decided now."""
    decisions = decide([each.resource for each in components])
    return tuple(
        ComponentView(
            kind=each.kind,
            address=each.address,
            region=each.region.name,
            data=each.data,
            allowed=decision.allowed,
            policies=decision.policies,
            confined=each.confined,
            way=each.way,
        )
        for each, decision in zip(components, decisions, strict=True)
    )


class Inventory:
    """Reading the inventory, which tells what a cell is built from and is therefore itself an access."""

    def __init__(self, *, components: Sequence[Placed], gate: Gate, cell: Caller) -> None:
        """``cell`` is on whose behalf data flows to the components: the cell itself, not whoever looks."""
        self._components = tuple(components)
        self._gate = gate
        self._cell = cell

    async def read(self, caller: Caller) -> ResidencyView:
        """Raises ``Forbidden``. Decided anew each time, so that it shows the policies that are in force."""
        tenant = TenantResource(caller.tenant.id)
        decision = await self._gate.require(caller, Action.RESIDENCY_READ, tenant)
        await self._gate.record(caller, Action.RESIDENCY_READ, tenant, Outcome.PERMITTED, decision)
        shown = viewed(self._components, lambda each: self._gate.decide_each(self._cell, Action.ENDPOINT_USE, each))
        return ResidencyView(self._gate.cell_region.name, decision.bundle_digest, shown, self._gate.policies_signed_by)
