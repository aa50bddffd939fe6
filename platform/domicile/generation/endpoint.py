"""Whether passages may flow to the model that would answer from them."""

from __future__ import annotations

from collections.abc import Iterable

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import Forbidden, RegionRefused
from domicile.domain.principals import Caller
from domicile.domain.values import Region
from domicile.policy.request import Decision, EndpointResource
from domicile.ports.generator import Generator


async def require_endpoint(gate: Gate, caller: Caller, generator: Generator, regions: Iterable[Region]) -> Decision:
    """The decision that lets data of all those regions flow to the generator; raises ``RegionRefused``, audited, otherwise.

    There is no other endpoint to fall back to: one outside the permitted regions would be worse than no answer.
    """
    endpoint = EndpointResource("model", generator.name, generator.region)
    try:
        decision = await gate.require(caller, Action.ENDPOINT_USE, endpoint)
    except Forbidden:
        raise _refused(generator.region, gate.cell_region) from None
    # The decision was about data of this cell's region. Nothing was decided about any other, and so it denies.
    for region in sorted(set(regions) - {gate.cell_region}):
        await gate.record(caller, Action.ENDPOINT_USE, endpoint, Outcome.DENIED, decision, reason=RegionRefused.slug)
        raise _refused(generator.region, region)
    return decision


def _refused(endpoint: Region, data: Region) -> RegionRefused:
    return RegionRefused(
        f"The language model is in {endpoint}, and data of {data} may not flow there.",
        hint="Ask the operator for a model in that region; search works without one.",
        region=endpoint.name,
    )
