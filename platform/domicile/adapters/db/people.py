"""Tenants, their principals and groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, bindparam, delete, insert, select, update

from domicile.adapters.db.schema import group_parents, groups, memberships, principals, sessions, tenants
from domicile.adapters.db.transaction import Transaction
from domicile.domain.errors import NotFound
from domicile.domain.principals import Group, Principal, PrincipalKind, SealedProfile, Tenant
from domicile.domain.values import Classification, Region, Role

# A statement that is built once is compiled once.
_TENANT_BY_ID = select(tenants).where(tenants.c.id == bindparam("id"))
_TENANT_BY_SLUG = select(tenants).where(tenants.c.slug == bindparam("slug"))
_TENANTS = select(tenants).order_by(tenants.c.id)
_ADD_TENANT = insert(tenants)
_SET_REGIONS = update(tenants).where(tenants.c.id == bindparam("of")).values(allowed_regions=bindparam("allowed_regions"))


def _with_groups(whose: ColumnElement[bool]) -> Select[Any]:
    """Those principals with every group that they are in, as many rows as groups: their own ones and what these are in."""
    own = select(memberships.c.principal_id, memberships.c.group_id).join(principals).where(whose)
    all_of = own.cte("all_groups", recursive=True)
    above = select(all_of.c.principal_id, group_parents.c.parent_id).join(
        group_parents, group_parents.c.group_id == all_of.c.group_id
    )
    all_of = all_of.union(above)  # without repetition, so that it ends whatever the table holds
    joined = principals.outerjoin(all_of, all_of.c.principal_id == principals.c.id)
    return select(principals, all_of.c.group_id).select_from(joined).where(whose).order_by(principals.c.id)


_PRINCIPAL_BY_ID = _with_groups(principals.c.id == bindparam("id"))
_PRINCIPAL_BY_LOGIN = _with_groups(principals.c.login_digest == bindparam("login_digest"))
_PRINCIPALS_OF_TENANT = _with_groups(principals.c.tenant_id == bindparam("tenant_id"))
_ADD_PRINCIPAL = insert(principals)
_ADD_MEMBERSHIP = insert(memberships)
_SET_PASSWORD = update(principals).where(principals.c.id == bindparam("of")).values(password_hash=bindparam("password_hash"))
_END_SESSIONS = delete(sessions).where(sessions.c.principal_id == bindparam("of"))

_ADD_GROUP = insert(groups)
_GROUPS_OF_TENANT = select(groups).where(groups.c.tenant_id == bindparam("tenant_id")).order_by(groups.c.slug)
_NEST = insert(group_parents)
_UNNEST = delete(group_parents).where(
    group_parents.c.group_id == bindparam("inner"), group_parents.c.parent_id == bindparam("outer")
)
_NESTS_OF_TENANT = (
    select(group_parents)
    .join(groups, groups.c.id == group_parents.c.group_id)
    .where(groups.c.tenant_id == bindparam("tenant_id"))
    .order_by(group_parents.c.group_id, group_parents.c.parent_id)
)


class SqlTenants:
    """Implements ``TenantRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, tenant: Tenant) -> None:
        await self._transaction.run(
            _ADD_TENANT,
            {
                "id": tenant.id,
                "slug": tenant.slug,
                "name": tenant.name,
                "region": tenant.region.name,
                "allowed_regions": _names(tenant.allowed_regions),
            },
        )

    async def set_allowed_regions(self, tenant_id: UUID, regions: frozenset[Region]) -> None:
        if not await self._transaction.run(_SET_REGIONS, {"of": tenant_id, "allowed_regions": _names(regions)}):
            raise NotFound()

    async def get(self, tenant_id: UUID) -> Tenant:
        return _tenant(await self._transaction.first(_TENANT_BY_ID, {"id": tenant_id}))

    async def by_slug(self, slug: str) -> Tenant:
        return _tenant(await self._transaction.first(_TENANT_BY_SLUG, {"slug": slug}))

    async def all(self) -> Sequence[Tenant]:
        return [_tenant(row) for row in await self._transaction.all(_TENANTS)]


class SqlPrincipals:
    """Implements ``PrincipalRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, principal: Principal, password_hash: str | None) -> None:
        profile = principal.profile
        await self._transaction.run(
            _ADD_PRINCIPAL,
            {
                "id": principal.id,
                "tenant_id": principal.tenant_id,
                "role": principal.role.value,
                "clearance": int(principal.clearance),
                "disabled": principal.disabled,
                "password_hash": password_hash,
                "kind": principal.kind.value,
                "login_digest": profile and profile.login_digest,
                "profile_envelope": profile and profile.envelope,
                "data_key_id": profile and profile.data_key_id,
            },
        )
        if principal.groups:
            await self._transaction.run(
                _ADD_MEMBERSHIP,
                [{"principal_id": principal.id, "group_id": group_id} for group_id in sorted(principal.groups)],
            )

    async def get(self, principal_id: UUID) -> Principal:
        found = _principals(await self._transaction.all(_PRINCIPAL_BY_ID, {"id": principal_id}))
        if not found:
            raise NotFound()
        return found[0]

    async def by_login_digest(self, digest: bytes) -> tuple[Principal, str | None] | None:
        rows = await self._transaction.all(_PRINCIPAL_BY_LOGIN, {"login_digest": digest})
        return (_principals(rows)[0], rows[0].password_hash) if rows else None

    async def set_password(self, principal_id: UUID, password_hash: str) -> None:
        changed = await self._transaction.run(_SET_PASSWORD, {"of": principal_id, "password_hash": password_hash})
        if not changed:
            raise NotFound()
        await self._transaction.run(_END_SESSIONS, {"of": principal_id})

    async def of_tenant(self, tenant_id: UUID) -> Sequence[Principal]:
        return _principals(await self._transaction.all(_PRINCIPALS_OF_TENANT, {"tenant_id": tenant_id}))

    async def add_group(self, group: Group) -> None:
        await self._transaction.run(_ADD_GROUP, {"id": group.id, "tenant_id": group.tenant_id, "slug": group.slug})

    async def groups(self, tenant_id: UUID) -> Sequence[Group]:
        rows = await self._transaction.all(_GROUPS_OF_TENANT, {"tenant_id": tenant_id})
        return [Group(row.id, row.tenant_id, row.slug) for row in rows]

    async def nest_group(self, group_id: UUID, parent_id: UUID) -> None:
        await self._transaction.run(_NEST, {"group_id": group_id, "parent_id": parent_id})

    async def unnest_group(self, group_id: UUID, parent_id: UUID) -> None:
        if not await self._transaction.run(_UNNEST, {"inner": group_id, "outer": parent_id}):
            raise NotFound()

    async def nested_groups(self, tenant_id: UUID) -> Sequence[tuple[UUID, UUID]]:
        rows = await self._transaction.all(_NESTS_OF_TENANT, {"tenant_id": tenant_id})
        return [(row.group_id, row.parent_id) for row in rows]


def _names(regions: frozenset[Region]) -> list[str]:
    return sorted(region.name for region in regions)


def _tenant(row: Row[Any] | None) -> Tenant:
    if row is None:
        raise NotFound()
    return Tenant(row.id, row.slug, row.name, Region(row.region), frozenset(map(Region, row.allowed_regions)))


def _principals(rows: Sequence[Row[Any]]) -> list[Principal]:
    """One principal from each run of rows that differ in the group only."""
    first: dict[UUID, Row[Any]] = {}
    groups_of: dict[UUID, set[UUID]] = {}
    for row in rows:
        first.setdefault(row.id, row)
        groups_of.setdefault(row.id, set()).update([row.group_id] if row.group_id else [])
    return [
        Principal(
            id=row.id,
            tenant_id=row.tenant_id,
            login="",
            display="",
            role=Role(row.role),
            clearance=Classification(row.clearance),
            groups=frozenset(groups_of[row.id]),
            disabled=row.disabled,
            kind=PrincipalKind(row.kind),
            profile=_profile(row),
        )
        for row in first.values()
    ]


def _profile(row: Row[Any]) -> SealedProfile | None:
    """None unless it is whole."""
    stored = (row.login_digest, row.profile_envelope, row.data_key_id)
    return None if None in stored else SealedProfile(*stored)
