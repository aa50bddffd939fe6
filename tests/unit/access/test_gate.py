"""The gate: decide, record, and only then let through."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.people import ELSEWHERE, HOME, caller, collection, document, principal, tenant, uid
from tests.fakes.policy import layer, shipped_bundle, shipped_in_force

from domicile.access.gate import Gate
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import AuditUnavailable, Forbidden, NotFound
from domicile.domain.principals import AuthenticationMethod, Grant, Principal
from domicile.domain.values import Classification, Role
from domicile.policy.request import CollectionResource, EndpointResource, OwnedResource, TenantResource
from domicile.policy.scope import Nothing, admits

MIA = caller(method=AuthenticationMethod.API_KEY)
_CLOSED = '@id("closed") @reason("Closed.") forbid (principal, action == Action::"search:create", resource);'
SECRET = document(classification=Classification.RESTRICTED)


@pytest.fixture
def log() -> MemoryAuditLog:
    return MemoryAuditLog()


@pytest.fixture
def gate(log: MemoryAuditLog) -> Gate:
    return Gate(shipped_in_force(), log, FixedClock(), HOME)


async def test_an_event_says_what_the_caller_was(gate: Gate) -> None:
    """Role and clearance, which nobody can read again later; that it was narrowed or disabled only where it was."""
    plain = gate.event(MIA, Action.TENANT_READ, TenantResource(tenant().id), Outcome.PERMITTED, detail=(("part", "text"),))
    assert plain.detail == (("part", "text"), ("role", "member"), ("clearance", 1))
    narrowed = replace(MIA, grant=Grant(verbs=frozenset()), principal=principal(role=Role.AUDITOR, disabled=True))
    event = gate.event(narrowed, Action.ENDPOINT_USE, EndpointResource("model", "model", ELSEWHERE), Outcome.DENIED)
    standing = {"role": "auditor", "clearance": 1, "disabled": 1, "narrowed": 1}
    assert dict(event.detail) == {**standing, "endpoint_region": "us-va"}


async def test_a_permitted_access_passes_and_is_left_to_be_recorded(gate: Gate, log: MemoryAuditLog) -> None:
    """The use case records it, once it knows what it is about to release."""
    decision = await gate.require(MIA, Action.DOCUMENT_READ, document())
    assert decision.allowed
    assert log.events == []


async def test_a_refusal_is_recorded_before_it_is_told(gate: Gate, log: MemoryAuditLog) -> None:
    """Who asked for what, in which request, and by which bundle it was refused."""
    with pytest.raises(Forbidden):
        await gate.require(MIA, Action.DOCUMENT_READ, SECRET)
    (event,) = log.events
    assert (event.outcome, event.action) == (Outcome.DENIED, Action.DOCUMENT_READ)
    assert event.resource == f"document:{SECRET.document_id}"
    assert (event.tenant_id, event.principal_id) == (MIA.tenant.id, MIA.principal.id)
    assert (event.credential_id, event.method, event.request_id) == (MIA.credential_id, "api-key", "request-1")
    assert event.bundle_digest == shipped_bundle().digest
    assert event.time == FixedClock().now()


async def test_a_refusal_is_explained_to_those_who_may_read_policies(gate: Gate, log: MemoryAuditLog) -> None:
    """Which policies refused and why, or that none permits it; the record names them in any case."""
    auditor = replace(caller(principal(role=Role.AUDITOR)), grant=Grant(verbs=frozenset({"policy:read", "tenant:read"})))
    with pytest.raises(Forbidden) as refusal:
        await gate.require(auditor, Action.AUDIT_READ, TenantResource(tenant().id))
    assert refusal.value.members["policies"] == ["guard-grant-verbs"]
    assert refusal.value.members["reasons"] == [shipped_bundle().reasons["guard-grant-verbs"]]
    with pytest.raises(Forbidden) as refusal:
        await gate.require(auditor, Action.TENANT_READ, TenantResource(tenant().id))
    assert (refusal.value.members["policies"], refusal.value.members["reasons"]) == ([], ["No policy permits it."])
    assert [event.policies for event in log.events] == [("guard-grant-verbs",), ()]


async def test_a_refusal_is_explained_by_the_policies_that_refused() -> None:
    """Although others are in force by the time that it is recorded: ids, reasons and digest belong together."""
    in_force = shipped_in_force()

    class Overtaken(MemoryAuditLog):
        async def append(self, *events: AuditEvent) -> None:
            await super().append(*events)
            in_force.put(in_force.platform, {tenant().id: layer(in_force.platform, _CLOSED.replace("Closed.", "Later."), 2)})

    in_force.put(in_force.platform, {tenant().id: layer(in_force.platform, _CLOSED)})
    before, log = in_force.of(tenant().id).bundle.digest, Overtaken()
    ada = caller(principal(role=Role.ADMINISTRATOR))
    with pytest.raises(Forbidden) as refusal:
        await Gate(in_force, log, FixedClock(), HOME).require(ada, Action.SEARCH_CREATE, TenantResource(tenant().id))
    assert (refusal.value.members["policies"], refusal.value.members["reasons"]) == (["tenant/closed"], ["Closed."])
    assert log.events[0].bundle_digest == before != in_force.of(tenant().id).bundle.digest


@pytest.mark.parametrize("who", [principal(), principal(disabled=True)])
async def test_a_refusal_says_nothing_else_to_anybody_else(gate: Gate, log: MemoryAuditLog, who: Principal) -> None:
    """Not even that a policy forbade it rather than none permitting it."""
    with pytest.raises(Forbidden) as refusal:
        await gate.require(caller(who), Action.AUDIT_READ, TenantResource(tenant().id))
    assert refusal.value.members == {}
    assert str(refusal.value) == str(Forbidden())
    assert log.events[0].outcome is Outcome.DENIED


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        (Action.DOCUMENT_READ, document(of=tenant("globex"))),
        (Action.DOCUMENT_LIST, CollectionResource(tenant("globex").id, collection(of=tenant("globex")).id, HOME)),
        (Action.AUDIT_READ, TenantResource(tenant("globex").id)),
        (Action.CONVERSATION_READ, OwnedResource("conversation", uid("theirs"), tenant("globex").id, uid("owner"))),
    ],
)
async def test_another_tenants_resource_is_not_found(
    gate: Gate, log: MemoryAuditLog, action: Action, resource: TenantResource
) -> None:
    """Its existence does not show, nor which policy hid it; the record is in the caller's own tenant."""
    with pytest.raises(NotFound) as refusal:
        await gate.require(MIA, action, resource)
    assert refusal.value.members == {}
    (event,) = log.events
    assert (event.outcome, event.tenant_id) == (Outcome.DENIED, MIA.tenant.id)


async def test_a_refusal_that_cannot_be_recorded_is_not_told(gate: Gate, log: MemoryAuditLog) -> None:
    """Without the audit log there is no answer at all, not even a no."""
    log.broken = True
    with pytest.raises(AuditUnavailable):
        await gate.require(MIA, Action.DOCUMENT_READ, SECRET)


async def test_recording_makes_the_event_durable_and_gives_its_id(gate: Gate, log: MemoryAuditLog) -> None:
    """With what was released, and the decision's policies unless the use case knows better."""
    decision = await gate.require(MIA, Action.DOCUMENT_READ, document())
    found = document()
    event_id = await gate.record(
        MIA, Action.DOCUMENT_READ, found, Outcome.PERMITTED, decision, documents=(found.document_id,), chunks=(uid("chunk"),)
    )
    (event,) = log.events
    assert event.id == event_id
    assert (event.documents, event.chunks) == ((found.document_id,), (uid("chunk"),))
    assert event.policies == ("member-documents",)


async def test_an_access_that_cannot_be_recorded_raises(gate: Gate, log: MemoryAuditLog) -> None:
    """Invariant 5: whoever waits for the record before releasing releases nothing."""
    decision = await gate.require(MIA, Action.DOCUMENT_READ, document())
    log.broken = True
    with pytest.raises(AuditUnavailable):
        await gate.record(MIA, Action.DOCUMENT_READ, document(), Outcome.PERMITTED, decision)
    assert log.events == []


async def test_a_scope_is_what_the_caller_may_read(gate: Gate) -> None:
    """Reading is the default; a caller who may read nothing gets an empty scope, not an error."""
    scope = await gate.scope(MIA)
    assert admits(scope.tree, document())
    assert not admits(scope.tree, SECRET)
    auditor = caller(principal(role=Role.AUDITOR))
    assert (await gate.scope(auditor)).tree == Nothing()


def test_each_is_decided_in_order(gate: Gate) -> None:
    """One decision for each resource, at its own place, of whatever kind."""
    allowed = [each.allowed for each in gate.decide_each(MIA, Action.DOCUMENT_READ, [document(), SECRET, document("other")])]
    assert allowed == [True, False, True]
    places = [CollectionResource(of.id, collection(of=of).id, HOME) for of in (tenant(), tenant("globex"))]
    assert [each.allowed for each in gate.decide_each(MIA, Action.COLLECTION_LIST, places)] == [True, False]


async def test_components_belong_to_no_tenant(gate: Gate, log: MemoryAuditLog) -> None:
    """A component abroad is forbidden, not hidden: everybody in the cell uses the same ones."""
    with pytest.raises(Forbidden):
        await gate.require(MIA, Action.ENDPOINT_USE, EndpointResource("model", "sglang", ELSEWHERE))
    assert log.events[0].resource == "endpoint:model"
