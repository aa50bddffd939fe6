"""People and tenants as a bundle describes them."""

from __future__ import annotations

from uuid import UUID

from domicile.access.gate import Gate
from domicile.domain.actions import Action
from domicile.domain.errors import NotFound
from domicile.domain.principals import Caller, Principal
from domicile.lifecycle.contents import (
    CollectionRecord,
    HoldRecord,
    Names,
    NestedGroup,
    PersonRecord,
    RuleRecord,
    TenantRecord,
)
from domicile.policy.request import TenantResource
from domicile.ports.repositories import UnitOfWork

#: Legal holds of a tenant: all of them.
_EVERY_HOLD = 2**31 - 1


def describe_person(person: Principal, names: Names) -> PersonRecord:
    """An account, without its password and its keys."""
    return PersonRecord(
        id=person.id,
        login=names.logins.get(person.id, str(person.id)),
        display=names.displays.get(person.id, str(person.id)),
        role=person.role.value,
        kind=person.kind.value,
        clearance=person.clearance.label,
        groups=tuple(sorted(names.groups[each] for each in person.groups if each in names.groups)),
        disabled=person.disabled,
    )


async def describe_tenant(unit: UnitOfWork, gate: Gate, caller: Caller, names: Names) -> TenantRecord:
    """The caller's tenant. What the caller may not be told of policies, holds and retention otherwise is empty here, too."""
    tenant = caller.tenant
    asked = (Action.POLICY_READ, Action.HOLD_READ, Action.RETENTION_READ)
    policies, holds, rules = (gate.decide_each(caller, action, [TenantResource(tenant.id)])[0].allowed for action in asked)
    nested = await unit.principals.nested_groups(tenant.id)
    found = await unit.holds.list(tenant.id, released=True, limit=_EVERY_HOLD) if holds else ()
    return TenantRecord(
        slug=tenant.slug,
        name=tenant.name,
        region=tenant.region.name,
        allowed_regions=tuple(sorted(each.name for each in tenant.allowed_regions)),
        collections=tuple(CollectionRecord.of(each, names) for each in await unit.collections.of_tenant(tenant.id)),
        groups=tuple(sorted(names.groups.values())),
        nested_groups=tuple(NestedGroup(group=names.groups[a], parent=names.groups[b]) for a, b in nested),
        people=tuple(describe_person(each, names) for each in await unit.principals.of_tenant(tenant.id)),
        policies=await _policies(unit, tenant.id) if policies else "",
        retention=tuple(RuleRecord.of(each, names) for each in await unit.retention.rules(tenant.id)) if rules else (),
        holds=tuple(map(HoldRecord.of, found)),
    )


async def _policies(unit: UnitOfWork, tenant_id: UUID) -> str:
    try:
        return (await unit.policies.get(tenant_id)).text
    except NotFound:
        return ""
