"""Collections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, select

from domicile.adapters.db.marks import mark_columns, validity_of
from domicile.adapters.db.schema import collections
from domicile.adapters.db.transaction import Transaction
from domicile.domain.documents import Collection
from domicile.domain.errors import NotFound
from domicile.domain.marks import Marks
from domicile.domain.values import Classification, Region

_ADD = insert(collections)
_OF_TENANT = select(collections).where(collections.c.tenant_id == bindparam("tenant_id")).order_by(collections.c.slug)
_BY_ID = _OF_TENANT.where(collections.c.id == bindparam("id"))
_BY_SLUG = _OF_TENANT.where(collections.c.slug == bindparam("slug"))


class SqlCollections:
    """Implements ``CollectionRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, collection: Collection) -> None:
        await self._transaction.run(
            _ADD,
            {
                "id": collection.id,
                "tenant_id": collection.tenant_id,
                "slug": collection.slug,
                "region": collection.region.name,
                **mark_columns(collection.marks),
                "groups": sorted(map(str, collection.marks.groups)),
                "labels": sorted(collection.marks.labels),
            },
        )

    async def get(self, tenant_id: UUID, collection_id: UUID) -> Collection:
        return _collection(await self._transaction.first(_BY_ID, {"tenant_id": tenant_id, "id": collection_id}))

    async def by_slug(self, tenant_id: UUID, slug: str) -> Collection:
        return _collection(await self._transaction.first(_BY_SLUG, {"tenant_id": tenant_id, "slug": slug}))

    async def of_tenant(self, tenant_id: UUID) -> Sequence[Collection]:
        return [_collection(row) for row in await self._transaction.all(_OF_TENANT, {"tenant_id": tenant_id})]


def _collection(row: Row[Any] | None) -> Collection:
    if row is None:
        raise NotFound()
    marks = Marks(
        classification=Classification(row.classification),
        groups=frozenset(map(UUID, row.groups)),
        owner=row.owner_id,
        labels=frozenset(row.labels),
        personal_data=row.personal_data,
        validity=validity_of(row),
    )
    return Collection(row.id, row.tenant_id, row.slug, Region(row.region), marks)
