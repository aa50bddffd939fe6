"""Whether passages may flow to a model."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.fakes import people
from tests.fakes.accounts import MemoryAccounts
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.generator import ScriptedGenerator
from tests.fakes.people import ELSEWHERE, HOME
from tests.fakes.policy import LAPSED, decisions

from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce
from domicile.access.transfers import TransferRegister
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import DatabaseUnavailable, RegionRefused, TransferDenied
from domicile.domain.values import Region
from domicile.generation.endpoint import Permitted, require_endpoint

LYON = Region("eu-fr")


#: Of a tenant whose data may flow there, too.
ALLOWING = people.caller(of=people.tenant(allowing=[ELSEWHERE, LYON]))


class Border:
    """A cell that may use components in those regions, as far as a flow to a model needs it."""

    def __init__(self, *components: Region, regions: str | None = None) -> None:
        self.log, self.database, clock = MemoryAuditLog(), MemoryAccounts(), FixedClock()
        self.gate = Gate(PoliciesInForce(decisions(*components, regions=regions)), self.log, clock, HOME)
        self.transfers = TransferRegister(database=self.database, gate=self.gate, clock=clock)  # type: ignore[arg-type]

    async def require(self, model: Region, passages: Sequence[Region] = (HOME,)) -> Permitted:
        generator = ScriptedGenerator(region=model)
        return await require_endpoint(self.gate, self.transfers, ALLOWING, generator, passages)


async def test_a_model_at_home_may_be_used() -> None:
    """The decision names the policy; nothing crosses a border, so nothing is registered."""
    border = Border()
    permitted = await border.require(HOME)
    assert (permitted.decision.policies, permitted.transfer) == (("endpoint-region",), None)
    assert border.database.rows.transfers == {}


async def test_a_model_elsewhere_is_refused_by_name_and_recorded() -> None:
    """There is no fallback."""
    border = Border()
    with pytest.raises(RegionRefused, match="us-va"):
        await border.require(ELSEWHERE)
    assert [(each.action, each.outcome) for each in border.log.events] == [(Action.ENDPOINT_USE, Outcome.DENIED)]
    assert border.database.rows.transfers == {}


async def test_a_declared_region_for_components_may_be_used_and_is_registered() -> None:
    """With as many passages as there are, under the entry that permits it."""
    border = Border(LYON)
    permitted = await border.require(LYON, [HOME] * 3)
    assert permitted.transfer is not None
    (record,) = border.database.rows.transfers.values()
    assert permitted.transfer.record == record
    assert (record.source, record.target, record.kind, record.component) == ("eu-de", "eu-fr", "content", "model")
    assert (record.amount, record.unit, record.entry) == (3, "passages", "eu-internal")


@pytest.mark.parametrize(("model", "regions"), [(ELSEWHERE, None), (LYON, LAPSED)])
async def test_without_an_unexpired_basis_it_is_denied(model: Region, regions: str | None) -> None:
    """Although policy permits the region: the operator's word is no legal basis."""
    border = Border(model, regions=regions)
    with pytest.raises(TransferDenied):
        await border.require(model)
    assert [each.reason for each in border.log.events] == ["transfer-denied"]
    assert border.database.rows.transfers == {}


async def test_what_cannot_be_registered_does_not_flow() -> None:
    """The error of the database goes on to the caller."""
    border = Border(LYON)
    border.database.broken = True
    with pytest.raises(DatabaseUnavailable):
        await border.require(LYON)


async def test_data_of_another_region_flows_nowhere() -> None:
    """The decision was about this cell's data; for any other, nothing was decided, and that denies."""
    border = Border(LYON)
    with pytest.raises(RegionRefused):
        await border.require(LYON, [HOME, LYON])
    assert border.log.events[-1].reason == "region-refused"
    assert border.database.rows.transfers == {}
