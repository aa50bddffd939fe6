"""Documents in a database, with nothing behind them: for tests of what is listed."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fakes.clock import FixedClock
from tests.fakes.people import uid

from domicile.adapters.db.database import SqlDatabase
from domicile.domain.documents import Collection, Document, DocumentAttributes, DocumentVersion
from domicile.domain.principals import Group, Tenant

_CLOCK = FixedClock()


def stored(attributes: DocumentAttributes) -> Document:
    """The document as it would be published, with envelopes that hold nothing."""
    name = str(attributes.document_id)
    version = DocumentVersion(
        uid(f"v/{name}"), attributes.document_id, uid(f"k/{name}"), b"content", b"title", 1, 1, _CLOCK.now()
    )
    return Document(attributes, name.encode(), version, _CLOCK.now())


async def fill(
    database: SqlDatabase,
    tenants: Sequence[Tenant],
    collections: Sequence[Collection],
    groups: Sequence[Group],
    documents: Sequence[DocumentAttributes],
) -> None:
    """Put all of them in, in one transaction."""
    async with database.writing() as unit:
        for tenant in tenants:
            await unit.tenants.add(tenant)
        for collection in collections:
            await unit.collections.add(collection)
        for group in groups:
            await unit.principals.add_group(group)
        for attributes in documents:
            await unit.documents.publish(stored(attributes))
        await unit.commit()
