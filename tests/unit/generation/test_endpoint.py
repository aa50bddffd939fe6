"""Whether passages may flow to a model."""

from __future__ import annotations

import pytest
from tests.fakes import people
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.generator import ScriptedGenerator
from tests.fakes.people import ELSEWHERE, HOME
from tests.fakes.policy import shipped_bundle, shipped_decisions

from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import RegionRefused
from domicile.domain.values import Region
from domicile.generation.endpoint import require_endpoint
from domicile.policy.decision import DecisionPoint


def gate(*components: Region) -> tuple[Gate, MemoryAuditLog]:
    log = MemoryAuditLog()
    decisions = DecisionPoint(shipped_bundle(), components) if components else shipped_decisions()
    return Gate(PoliciesInForce(decisions), log, FixedClock(), HOME), log


#: Of a tenant whose data may flow there, too.
ALLOWING = people.caller(of=people.tenant(allowing=[ELSEWHERE]))


async def test_a_model_at_home_may_be_used() -> None:
    """The decision names the policy."""
    guard, _ = gate()
    decision = await require_endpoint(guard, people.caller(), ScriptedGenerator(), [HOME])
    assert decision.policies == ("endpoint-region",)


async def test_a_model_elsewhere_is_refused_by_name_and_recorded() -> None:
    """There is no fallback."""
    guard, log = gate()
    with pytest.raises(RegionRefused, match="us-va"):
        await require_endpoint(guard, ALLOWING, ScriptedGenerator(region=ELSEWHERE), [HOME])
    assert [(each.action, each.outcome) for each in log.events] == [(Action.ENDPOINT_USE, Outcome.DENIED)]


async def test_a_declared_region_for_components_may_be_used() -> None:
    """What the operator declared, policy permits."""
    guard, _ = gate(ELSEWHERE)
    assert (await require_endpoint(guard, ALLOWING, ScriptedGenerator(region=ELSEWHERE), [HOME])).allowed


async def test_data_of_another_region_flows_nowhere() -> None:
    """The decision was about this cell's data; for any other, nothing was decided, and that denies."""
    guard, log = gate(ELSEWHERE)
    with pytest.raises(RegionRefused):
        await require_endpoint(guard, ALLOWING, ScriptedGenerator(region=ELSEWHERE), [HOME, Region("eu-fr")])
    assert log.events[-1].reason == "region-refused"
