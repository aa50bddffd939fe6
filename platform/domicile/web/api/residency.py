"""``/v1/residency``: where every component of this cell is, and which policy allows it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from msgspec import Meta

from domicile.access.residency import ComponentView, ResidencyView
from domicile.domain.actions import Action
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who


class ComponentOut(msgspec.Struct):
    kind: str
    address: Annotated[str, Meta(description="Without credentials")]
    region: str
    data: Annotated[list[str], Meta(description="What goes there")]
    allowed: bool
    policies: Annotated[list[str], Meta(description="The policies that determined it")]
    confined: Annotated[str, Meta(description="What refuses other connections: in-process, process-guard, network-policy")]
    way: Annotated[str, Meta(description="What protects the way there: in-process, loopback, tls")]


class ResidencyOut(msgspec.Struct):
    cell_region: str
    access_region: Annotated[str, Meta(description="Where you are, as far as this cell can tell")]
    bundle_digest: str
    policies_signed_by: Annotated[str | None, Meta(description="Id of the key they were verified with; null if none has to be")]
    components: list[ComponentOut]


def residency_out(view: ResidencyView, access_region: str) -> ResidencyOut:
    return ResidencyOut(
        cell_region=view.region,
        access_region=access_region,
        bundle_digest=view.bundle_digest,
        policies_signed_by=view.signed_by or None,
        components=[component_out(each) for each in view.components],
    )


def component_out(view: ComponentView) -> ComponentOut:
    return ComponentOut(
        kind=view.kind,
        address=view.address,
        region=view.region,
        data=list(view.data),
        allowed=view.allowed,
        policies=list(view.policies),
        confined=view.confined,
        way=view.way,
    )


@get(
    "/residency",
    summary="See where data goes",
    tags=["residency"],
    responses=problems(),
    opt=decides(Action.RESIDENCY_READ, Action.ENDPOINT_USE),
)
async def get_residency(visitor: Who, cell: Here) -> ResidencyOut:
    """Every component with its region and what goes there, decided now; for administrators and auditors."""
    return residency_out(await cell.inventory.read(visitor.caller), visitor.caller.access_region)
