"""Whether passages may flow to the model that would answer from them.

Obligations, labelled where they are met:

1. Policy decides whether this cell's data may flow to the model's region at all.
2. Data of any other region flows nowhere.
3. A model in another region needs a legal basis, and the flow is in the transfer register before any of it happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domicile.access.gate import Gate
from domicile.access.transfers import Flow, Registered, TransferRegister
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import Forbidden, RegionRefused
from domicile.domain.principals import Caller
from domicile.domain.transfers import Unit
from domicile.domain.values import Region
from domicile.policy.regions import DataKind
from domicile.policy.request import Decision, EndpointResource
from domicile.ports.generator import Generator

_KIND = "model"


@dataclass(frozen=True, slots=True)
class Permitted:
    """Passages may flow: by this decision and, where the model is in another region, under this entry of the register."""

    decision: Decision
    transfer: Registered | None


async def require_endpoint(
    gate: Gate, transfers: TransferRegister, caller: Caller, generator: Generator, regions: Sequence[Region]
) -> Permitted:
    """Let passages of those regions, one for each, flow to the generator.

    Raises ``RegionRefused`` or ``TransferDenied``, audited, and ``DependencyError`` for a transfer that cannot be registered.
    There is no other endpoint to fall back to: one outside the permitted regions would be worse than no answer.
    """
    endpoint = EndpointResource(_KIND, generator.name, generator.region)
    try:
        decision = await gate.require(caller, Action.ENDPOINT_USE, endpoint)  # (1)
    except Forbidden:
        raise _refused(generator.region, gate.cell_region) from None
    # The decision was about data of this cell's region. Nothing was decided about any other, and so it denies.
    for region in sorted(set(regions) - {gate.cell_region}):  # (2)
        await gate.record(caller, Action.ENDPOINT_USE, endpoint, Outcome.DENIED, decision, reason=RegionRefused.slug)
        raise _refused(generator.region, region)
    if generator.region == gate.cell_region:
        return Permitted(decision, None)
    flow = Flow(gate.cell_region, generator.region, DataKind.CONTENT, len(regions), Unit.PASSAGES, _KIND)
    return Permitted(decision, await transfers.require(caller, flow, Action.ENDPOINT_USE, endpoint))  # (3)


def _refused(endpoint: Region, data: Region) -> RegionRefused:
    return RegionRefused(
        f"The language model is in {endpoint}, and data of {data} may not flow there.",
        hint="Ask the operator for a model in that region; search works without one.",
        region=endpoint.name,
    )
