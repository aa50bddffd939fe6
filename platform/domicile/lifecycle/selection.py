"""What an export is about: which documents, which conversations, and whose accesses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from domicile.access.profiles import Profiles
from domicile.domain.conversations import Conversation
from domicile.domain.documents import Document
from domicile.domain.errors import NotFound
from domicile.domain.principals import Principal, Tenant
from domicile.lifecycle.contents import Names
from domicile.lifecycle.manifest import BundleKind
from domicile.ports.repositories import Database, UnitOfWork

#: Documents that are decided and recorded at once.
PAGE = 50
#: Conversations of one person: all of them.
_EVERY_CONVERSATION = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Selection:
    """``accounts`` are those whose own data it is: what they did is theirs, too. ``chosen`` are documents by id; None is every
    document of the tenant, or of its ``owner`` if there is one."""

    kind: BundleKind
    owner: UUID | None = None
    chosen: tuple[UUID, ...] | None = None
    conversations: tuple[Conversation, ...] = ()
    accounts: tuple[Principal, ...] = ()

    async def pages(self, database: Database, tenant_id: UUID) -> AsyncIterator[Sequence[Document]]:
        """Each document once, a page at a time."""
        if self.chosen is not None:
            for start in range(0, len(self.chosen), PAGE):
                yield await _documents(database, tenant_id, self.chosen[start : start + PAGE])
            return
        after: UUID | None = None
        while ids := await _ids(database, tenant_id, self.owner, after):
            after = ids[-1]
            yield await _documents(database, tenant_id, ids)


async def everything(unit: UnitOfWork, tenant: Tenant) -> Selection:
    """All that the tenant holds."""
    people = await unit.principals.of_tenant(tenant.id)
    found = [each for person in people for each in await conversations_of(unit, person)]
    return Selection(BundleKind.TENANT, conversations=tuple(found))


async def of_person(unit: UnitOfWork, person: Principal) -> Selection:
    """Somebody's account, conversations and documents."""
    own = tuple(await conversations_of(unit, person))
    return Selection(BundleKind.SUBJECT, owner=person.id, conversations=own, accounts=(person,))


async def about_subject(unit: UnitOfWork, tenant_id: UUID, subject: bytes) -> Selection:
    """Documents and conversations that are tagged with a data subject, by its digest. Whose they are is not asked."""
    documents = await unit.subjects.documents_of(tenant_id, subject)
    talks = []
    for id_ in await unit.subjects.conversations_of(tenant_id, subject):
        with suppress(NotFound):  # Deleted at this moment.
            talks.append(await unit.conversations.get(tenant_id, id_))
    return Selection(BundleKind.SUBJECT, chosen=tuple(sorted(documents)), conversations=tuple(talks))


async def conversations_of(unit: UnitOfWork, person: Principal) -> Sequence[Conversation]:
    return await unit.conversations.of_principal(person.tenant_id, person.id, _EVERY_CONVERSATION)


async def names_of(unit: UnitOfWork, profiles: Profiles, tenant_id: UUID) -> Names:
    """The names of the tenant's groups, people and collections. Accounts that have no name any more are not among them."""
    groups = await unit.principals.groups(tenant_id)
    people = [each for each in await profiles.named(await unit.principals.of_tenant(tenant_id)) if each.login != str(each.id)]
    collections = await unit.collections.of_tenant(tenant_id)
    return Names(
        {each.id: each.slug for each in groups},
        {each.id: each.login for each in people},
        {each.id: each.display for each in people},
        {each.id: each.slug for each in collections},
    )


async def _ids(database: Database, tenant_id: UUID, owner: UUID | None, after: UUID | None) -> Sequence[UUID]:
    async with database.reading() as unit:
        return await unit.documents.ids(tenant_id, owner=owner, after=after, limit=PAGE)


async def _documents(database: Database, tenant_id: UUID, ids: Sequence[UUID]) -> list[Document]:
    """In the order of the ids; those that have been removed meanwhile are left out."""
    async with database.reading() as unit:
        found = await unit.documents.many(ids, tenant_id)
    return [found[id_] for id_ in ids if id_ in found]
