"""Names that people use for what policy knows by id: groups by short name, owners by login, within one tenant."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from domicile.access.profiles import login_digest
from domicile.domain.errors import CallerError
from domicile.domain.values import clean_text
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import UnitOfWork


async def group_ids(unit: UnitOfWork, tenant_id: UUID, slugs: Sequence[str]) -> frozenset[UUID]:
    """The ids of those groups; raises ``CallerError`` naming one that the tenant does not have."""
    known = {group.slug: group.id for group in await unit.principals.groups(tenant_id)} if slugs else {}
    for slug in slugs:
        if slug not in known:
            raise CallerError(f"There is no group '{clean_text(slug)[:64]}'.", hint="Name groups of your own tenant.")
    return frozenset(known[slug] for slug in slugs)


async def owner_id(unit: UnitOfWork, keys: KeyRing, tenant_id: UUID, login: str) -> UUID:
    """The id of whoever has that login; raises ``CallerError``, also for another tenant's people."""
    found = await unit.principals.by_login_digest(await login_digest(keys, login))
    if found is None or found[0].tenant_id != tenant_id:
        raise CallerError(f"There is nobody with the login '{login[:64]}'.", hint="Name somebody of your own tenant.")
    return found[0].id
