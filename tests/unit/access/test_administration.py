"""Setting up tenants, people and keys: who may, what is refused, and that every change has its event."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.fakes.people import collection

from domicile.access.identity import Origin
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import (
    AlreadyExists,
    AuditUnavailable,
    CallerError,
    Forbidden,
    NotFound,
    RegionRefused,
)
from domicile.domain.principals import PrincipalKind
from domicile.domain.values import Classification, Region, Role

PASSWORD = "correct horse battery"
HERE = Origin("request-1", "trace-1")
NEW_USER = ("new", "New", Role.MEMBER, Classification.INTERNAL)


async def test_the_operator_creates_a_tenant(cell: Any) -> None:
    """The tenant exists with its event, found by slug and in the list."""
    tenant = await cell.administration.create_tenant("acme", " Acme GmbH ", Region("eu-de"))
    assert (tenant.slug, tenant.name, tenant.region) == ("acme", "Acme GmbH", Region("eu-de"))
    assert await cell.administration.tenant("acme") == tenant
    assert await cell.administration.tenants() == [tenant]
    [event] = cell.database.rows.events
    assert (event.action, event.outcome, event.method) == (Action.TENANT_CREATE, Outcome.PERMITTED, "operator")
    assert event.tenant_id == tenant.id
    assert event.policies


async def test_a_tenant_of_another_region_is_refused(cell: Any) -> None:
    """The refusal names the region, is on record, and nothing was created."""
    with pytest.raises(RegionRefused) as caught:
        await cell.administration.create_tenant("acme", "Acme", Region("us-va"))
    assert "us-va" in str(caught.value)
    assert caught.value.members == {"region": "us-va"}
    assert [event.reason for event in cell.refusals()] == ["region-refused"]
    assert not cell.database.rows.tenants


async def test_a_tenant_of_another_region_may_allow_this_one(cell: Any) -> None:
    """Then its data may be here; where else it may be is changed as a whole, with its event, and never so that it is not."""
    away, further = Region("eu-fr"), Region("eu-nl")
    tenant = await cell.administration.create_tenant("lyon", "Lyon", away, frozenset({Region("eu-de")}))
    changed = await cell.administration.allow_regions(tenant, frozenset({Region("eu-de"), further, away}))
    assert changed == await cell.administration.tenant("lyon")
    assert changed.allowed_regions == {Region("eu-de"), further}
    assert cell.database.rows.events[-1].detail[0] == ("allowed_regions", "eu-de,eu-nl")
    before = repr(cell.database.rows)
    with pytest.raises(RegionRefused, match="eu-nl"):
        await cell.administration.allow_regions(changed, frozenset({further}))
    assert repr(cell.database.rows) == before


async def test_a_service_is_nobody_who_signs_in(cell: Any) -> None:
    """It is made without a password and never gets one."""
    operator = cell.administration.operator_caller(await cell.tenant())
    made = await cell.administration.create_user(operator, *NEW_USER, kind=PrincipalKind.SERVICE)
    assert made.kind is PrincipalKind.SERVICE
    with pytest.raises(CallerError):
        await cell.administration.create_user(
            operator, "other", "Other", Role.MEMBER, Classification.INTERNAL, (), PASSWORD, PrincipalKind.SERVICE
        )
    with pytest.raises(CallerError):
        await cell.administration.set_password(operator, made.id, PASSWORD)


async def test_groups_are_put_into_groups_but_never_in_a_circle(cell: Any) -> None:
    """At making or later; a circle over any number of steps, a group in itself and a second time the same are refused."""
    operator = cell.administration.operator_caller(await cell.tenant())
    company = await cell.administration.create_group(operator, "company")
    finance = await cell.administration.create_group(operator, "finance", ["company"])
    tax = await cell.administration.create_group(operator, "tax")
    await cell.administration.nest_group(operator, "tax", "finance")
    nests = [(finance.id, company.id), (tax.id, finance.id)]
    assert await cell.administration.nested_groups(operator) == nests
    for inner, outer in (("company", "tax"), ("finance", "finance"), ("company", "finance")):
        with pytest.raises(CallerError, match=r"circle|within"):
            await cell.administration.nest_group(operator, inner, outer)
    with pytest.raises(AlreadyExists):
        await cell.administration.nest_group(operator, "tax", "finance")
    with pytest.raises(CallerError, match="ghost"):
        await cell.administration.nest_group(operator, "tax", "ghost")
    assert await cell.administration.nested_groups(operator) == nests
    await cell.administration.unnest_group(operator, "tax", "finance")
    assert await cell.administration.nested_groups(operator) == nests[:1]
    with pytest.raises(CallerError, match="not in"):
        await cell.administration.unnest_group(operator, "tax", "finance")


@pytest.mark.parametrize(
    ("slug", "name"), [("Acme", "x"), ("", "x"), ("a b", "x"), ("../x", "x"), ("acme", ""), ("acme", "\x00")]
)
async def test_names_are_validated(cell: Any, slug: str, name: str) -> None:
    """Slugs and names that cannot be are refused, and nothing was created or recorded as done."""
    with pytest.raises(CallerError):
        await cell.administration.create_tenant(slug, name, Region("eu-de"))
    assert not cell.database.rows.tenants
    assert not cell.database.rows.events


async def test_a_slug_is_taken_once(cell: Any) -> None:
    """A second tenant of one name is refused, with no event of a creation that did not happen."""
    await cell.tenant()
    with pytest.raises(AlreadyExists):
        await cell.tenant()
    assert len(cell.database.rows.events) == 1


async def test_nothing_changes_without_its_event(cell: Any) -> None:
    """With the audit log down, no tenant, person, group, password or key comes into being."""
    tenant = await cell.tenant()
    mia = await cell.person(tenant)
    operator = cell.administration.operator_caller(tenant)
    secret = await cell.key(mia, tenant)
    [key] = cell.database.rows.api_keys.values()
    before = repr(cell.database.rows)
    cell.database.audit_broken = True
    for change in (
        cell.administration.create_tenant("new", "New", Region("eu-de")),
        cell.administration.create_group(operator, "finance"),
        cell.administration.create_user(operator, *NEW_USER),
        cell.administration.set_password(operator, mia.id, "another horse battery"),
        cell.administration.create_api_key(operator, mia.id, "laptop"),
        cell.administration.revoke_api_key(operator, key.id),
    ):
        with pytest.raises(AuditUnavailable):
            await change
    assert repr(cell.database.rows) == before
    await cell.identity.authenticate_key(secret, HERE)


async def test_a_user_joins_groups_by_slug(cell: Any) -> None:
    """The new member is in the groups named, and its login is stored in its one form."""
    tenant = await cell.tenant()
    operator = cell.administration.operator_caller(tenant)
    finance = await cell.administration.create_group(operator, "finance")
    await cell.administration.create_group(operator, "legal")
    user = await cell.administration.create_user(
        operator, "Mia@Acme.Example", "Mia", Role.AUDITOR, Classification.RESTRICTED, ["finance"], PASSWORD
    )
    assert (user.login, user.groups, user.tenant_id) == ("mia@acme.example", {finance.id}, tenant.id)
    assert (user.role, user.clearance) == (Role.AUDITOR, Classification.RESTRICTED)
    assert [group.slug for group in await cell.administration.groups(operator)] == ["finance", "legal"]
    assert await cell.administration.users(operator) == [user]


async def test_another_tenants_group_is_no_group(cell: Any) -> None:
    """Nobody joins a group of another tenant, also not by knowing its name."""
    acme, rival = await cell.tenant("acme"), await cell.tenant("rival")
    await cell.administration.create_group(cell.administration.operator_caller(rival), "finance")
    with pytest.raises(CallerError):
        await cell.administration.create_user(cell.administration.operator_caller(acme), *NEW_USER, ["finance"])
    assert not cell.database.rows.principals


async def test_a_login_is_taken_once_in_the_cell(cell: Any) -> None:
    """The same login in other letters is the same login."""
    tenant = await cell.tenant()
    await cell.person(tenant, "mia")
    with pytest.raises(AlreadyExists):
        await cell.person(tenant, "MIA")


async def test_passwords_have_twelve_characters(cell: Any) -> None:
    """A shorter one is refused for a new user and for an old one, and the old one's stays."""
    tenant = await cell.tenant()
    operator = cell.administration.operator_caller(tenant)
    mia = await cell.person(tenant)
    with pytest.raises(CallerError):
        await cell.administration.create_user(operator, *NEW_USER, (), "eleven char")
    with pytest.raises(CallerError):
        await cell.administration.set_password(operator, mia.id, "eleven char")
    await cell.identity.sign_in("mia", PASSWORD, HERE)


# --- Who may ----------------------------------------------------------------------------------------------------------
def every_change(cell: Any, caller: Any, principal_id: UUID, key_id: UUID) -> list[Any]:
    administration = cell.administration
    return [
        administration.create_group(caller, "finance"),
        administration.create_user(caller, *NEW_USER),
        administration.set_password(caller, principal_id, "another horse battery"),
        administration.create_api_key(caller, principal_id, "laptop"),
        administration.revoke_api_key(caller, key_id),
        administration.users(caller),
        administration.groups(caller),
        administration.api_keys(caller),
    ]


@pytest.mark.parametrize("role", [Role.MEMBER, Role.AUDITOR])
async def test_only_administrators_administrate(cell: Any, role: Role) -> None:
    """Members and auditors are refused everything here, each time on record, and nothing changes."""
    tenant = await cell.tenant()
    mia = await cell.person(tenant, "mia", role)
    await cell.key(mia, tenant)
    caller = await cell.signed_in("mia")
    before = repr(cell.database.rows)
    changes = every_change(cell, caller, mia.id, UUID(int=1))
    for change in changes:
        with pytest.raises(Forbidden):
            await change
    assert repr(cell.database.rows) == before
    assert [event.principal_id for event in cell.refusals()] == [mia.id] * len(changes)


async def test_an_administrator_administrates_the_own_tenant(cell: Any) -> None:
    """Everything here works for an administrator within the own tenant, reads included, each with an event."""
    tenant = await cell.tenant()
    await cell.person(tenant, "ada", Role.ADMINISTRATOR)
    mia = await cell.person(tenant)
    await cell.key(mia, tenant)
    [key] = cell.database.rows.api_keys.values()
    caller = await cell.signed_in("ada")
    before = len(cell.database.rows.events) + len(cell.log.events)
    changes = every_change(cell, caller, mia.id, key.id)
    for change in changes:
        await change
    assert len(cell.database.rows.events) + len(cell.log.events) == before + len(changes)
    assert not cell.refusals()


@pytest.mark.parametrize("administrator", ["a person", "the operator"])
async def test_another_tenants_people_and_keys_do_not_exist(cell: Any, administrator: str) -> None:
    """An administrator who names another tenant's person or key finds nothing, on record, and changes nothing."""
    acme, rival = await cell.tenant("acme"), await cell.tenant("rival")
    eve = await cell.person(acme, "eve", Role.ADMINISTRATOR)
    victim = await cell.person(rival, "victim")
    await cell.key(victim, rival)
    [key] = cell.database.rows.api_keys.values()
    caller = await cell.signed_in("eve") if administrator == "a person" else cell.administration.operator_caller(acme)
    before = repr(cell.database.rows)
    attacks = [
        cell.administration.set_password(caller, victim.id, "another horse battery"),
        cell.administration.create_api_key(caller, victim.id, "laptop"),
        cell.administration.revoke_api_key(caller, key.id),
        cell.administration.set_password(caller, UUID(int=404), "another horse battery"),
    ]
    messages = set()
    for attack in attacks:
        with pytest.raises(NotFound) as caught:
            await attack
        messages.add((type(caught.value), str(caught.value), str(caught.value.members)))
    assert len(messages) == 1, "an id elsewhere and an id nowhere look alike"
    assert repr(cell.database.rows) == before
    assert len(cell.refusals()) == len(attacks)
    assert await cell.administration.users(caller) == [eve]
    assert await cell.administration.api_keys(caller) == []


async def test_a_caller_cannot_claim_another_tenant(cell: Any) -> None:
    """A caller whose principal is of one tenant and whose tenant is another is refused."""
    acme, rival = await cell.tenant("acme"), await cell.tenant("rival")
    await cell.person(acme, "eve", Role.ADMINISTRATOR)
    caller = replace(await cell.signed_in("eve"), tenant=rival)
    with pytest.raises(Forbidden):
        await cell.administration.create_group(caller, "finance")
    assert not cell.database.rows.groups


# --- API keys ---------------------------------------------------------------------------------------------------------
async def test_a_key_is_shown_once(cell: Any) -> None:
    """The secret is returned and not stored; what is listed has the prefix to recognise it by."""
    tenant = await cell.tenant()
    mia = await cell.person(tenant)
    operator = cell.administration.operator_caller(tenant)
    expiry = cell.clock.now() + timedelta(days=90)
    key, secret = await cell.administration.create_api_key(
        operator, mia.id, " laptop ", frozenset({"search:create"}), frozenset(), expiry
    )
    assert await cell.administration.api_keys(operator) == [key]
    assert secret.startswith(key.prefix + "_")
    assert (key.label, key.expires_at, key.principal_id) == ("laptop", expiry, mia.id)
    assert (key.grant.verbs, key.grant.collections) == ({"search:create"}, frozenset())
    assert secret not in repr(cell.database.rows)
    assert secret not in repr(key)


@pytest.mark.parametrize("verbs", [{"search"}, {"search:create", "everything"}, {"*"}, {""}])
async def test_a_keys_verbs_are_action_names(cell: Any, verbs: set[str]) -> None:
    """A misspelt verb is refused instead of making a key that silently permits nothing."""
    tenant = await cell.tenant()
    mia = await cell.person(tenant)
    with pytest.raises(CallerError):
        await cell.key(mia, tenant, verbs=frozenset(verbs))
    assert not cell.database.rows.api_keys


@pytest.mark.parametrize("expiry", [timedelta(0), timedelta(seconds=-1), timedelta(days=-365)])
async def test_a_key_does_not_expire_in_the_past(cell: Any, expiry: timedelta) -> None:
    """An expiry that is over, or has no time zone, is refused."""
    tenant = await cell.tenant()
    mia = await cell.person(tenant)
    for at in (cell.clock.now() + expiry, datetime(2099, 1, 1)):  # noqa: DTZ001
        with pytest.raises(CallerError):
            await cell.key(mia, tenant, expires_at=at)
    assert not cell.database.rows.api_keys


async def test_a_key_names_own_collections_only(cell: Any) -> None:
    """A key for another tenant's collection, or for one that is not there, is not found."""
    acme, rival = await cell.tenant("acme"), await cell.tenant("rival")
    mia = await cell.person(acme)
    own, foreign = collection("handbook", acme), collection("handbook", rival)
    cell.database.rows.collections |= {each.id: each for each in (own, foreign)}
    for ids in ({foreign.id}, {own.id, foreign.id}, {UUID(int=404)}):
        with pytest.raises(NotFound):
            await cell.key(mia, acme, collections=frozenset(ids))
    assert not cell.database.rows.api_keys
    caller = await cell.identity.authenticate_key(await cell.key(mia, acme, collections=frozenset({own.id})), HERE)
    assert caller.grant.collections == {own.id}


async def test_a_narrowed_key_makes_no_keys(cell: Any) -> None:
    """An administrator's key that is limited to some verbs cannot make itself a wider one."""
    tenant = await cell.tenant()
    ada = await cell.person(tenant, "ada", Role.ADMINISTRATOR)
    secret = await cell.key(ada, tenant, verbs=frozenset({"apikey:create", "apikey:revoke"}))
    caller = await cell.identity.authenticate_key(secret, HERE)
    with pytest.raises(Forbidden):
        await cell.administration.create_api_key(caller, ada.id, "wider")
    assert len(cell.database.rows.api_keys) == 1
