"""The live egress inventory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.people import HOME, caller, principal, tenant
from tests.fakes.policy import shipped_bundle, shipped_in_force

from domicile.access.administration import Administration
from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce
from domicile.access.residency import Inventory, Placed
from domicile.audit.events import Outcome
from domicile.domain.errors import AuditUnavailable, Forbidden
from domicile.domain.values import Region, Role
from domicile.policy.decision import DecisionPoint

COMPONENTS = (
    Placed("database", "SQLite in the data folder", HOME, ("metadata",)),
    Placed("model", "https://models.example:443", Region("us-va"), ("content",)),
)


def inventory(log: MemoryAuditLog) -> Inventory:
    gate = Gate(shipped_in_force(), log, FixedClock(), HOME)
    return Inventory(components=COMPONENTS, gate=gate, cell=Administration.operator_caller(tenant()))


async def test_each_component_is_shown_with_its_decision_of_now() -> None:
    """The policies that allow one are named; one that none allows shows as denied."""
    log = MemoryAuditLog()
    view = await inventory(log).read(caller(principal(role=Role.AUDITOR)))
    shown = {each.kind: each for each in view.components}
    assert (shown["database"].allowed, shown["database"].policies) == (True, ("endpoint-region",))
    assert shown["model"].allowed is False
    assert (view.region, view.bundle_digest, view.signed_by) == ("eu-de", log.events[0].bundle_digest, "")


async def test_who_signed_the_policies_is_shown() -> None:
    """Those that decide, at this moment."""
    in_force = PoliciesInForce(DecisionPoint(replace(shipped_bundle(), signed_by="ab" * 32)))
    gate = Gate(in_force, MemoryAuditLog(), FixedClock(), HOME)
    shown = Inventory(components=COMPONENTS, gate=gate, cell=Administration.operator_caller(tenant()))
    assert (await shown.read(caller(principal(role=Role.AUDITOR)))).signed_by == "ab" * 32


async def test_looking_is_an_access() -> None:
    """Permitted or denied, it is recorded before anything is told."""
    log = MemoryAuditLog()
    await inventory(log).read(caller(principal(role=Role.ADMINISTRATOR)))
    with pytest.raises(Forbidden):
        await inventory(log).read(caller(principal(role=Role.MEMBER)))
    assert [event.outcome for event in log.events] == [Outcome.PERMITTED, Outcome.DENIED]
    log.broken = True
    with pytest.raises(AuditUnavailable):
        await inventory(log).read(caller(principal(role=Role.ADMINISTRATOR)))
