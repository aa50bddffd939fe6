"""What there is to read: collections, documents, their text and their originals.

Every method decides, records the access durably, and only then opens a key. A document's title is content.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domicile.access.gate import Gate
from domicile.access.naming import group_ids, owner_id
from domicile.audit.events import Outcome
from domicile.crypto.context import Part
from domicile.crypto.envelope import key_id_of, unseal
from domicile.crypto.parts import blob_key, context_of
from domicile.domain.actions import Action
from domicile.domain.documents import Collection, Document, DocumentTitle
from domicile.domain.errors import CallerError, NotFound, RegionRefused
from domicile.domain.marks import ALWAYS, NOTHING_SAID, UNMARKED, Marking, Marks
from domicile.domain.principals import Caller
from domicile.domain.values import Classification, Region, slug
from domicile.policy.request import CollectionResource, Decision, Resource, TenantResource
from domicile.ports.blobs import BlobStore
from domicile.ports.clock import Clock
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database, UnitOfWork
from domicile.retrieval.horizon import visible_collections
from domicile.retrieval.unsealing import title_of

MAX_PAGE = 200
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document as its readers see it. ``groups`` holds slugs, ``size_bytes`` is the original's; ``created_at`` is the current
    version's, and ``version_id`` names it. ``subjects`` counts the people whom it is about: who they are is told to nobody."""

    id: UUID
    collection_id: UUID
    version_id: UUID
    title: DocumentTitle
    marks: Marks
    region: Region
    groups: tuple[str, ...]
    size_bytes: int
    created_at: datetime
    subjects: int = 0

    @property
    def classification(self) -> Classification:
        return self.marks.classification


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """One page of a list. ``after`` is the cursor of the next page, None on the last."""

    documents: tuple[DocumentView, ...]
    after: UUID | None


class Library:
    """Reading besides searching."""

    def __init__(self, *, database: Database, blobs: BlobStore, keys: KeyRing, gate: Gate, clock: Clock) -> None:
        self._database = database
        self._blobs = blobs
        self._keys = keys
        self._gate = gate
        self._clock = clock

    async def collections(self, caller: Caller) -> Sequence[Collection]:
        """Those that the caller may list, by slug."""
        resource = TenantResource(caller.tenant.id)
        decision = await self._gate.require(caller, Action.COLLECTION_LIST, resource)
        visible = await visible_collections(self._database, self._gate, caller)
        await self._gate.record(caller, Action.COLLECTION_LIST, resource, Outcome.PERMITTED, decision)
        return visible

    async def collection(self, caller: Caller, id_or_slug: str) -> Collection:
        """Raises ``NotFound`` if there is none, or if it does not show to the caller."""
        visible = await visible_collections(self._database, self._gate, caller)
        wanted = id_or_slug.lower() if _UUID.fullmatch(id_or_slug) else None
        for each in visible:
            if each.slug == id_or_slug or str(each.id) == wanted:
                await self._permitted(caller, Action.COLLECTION_LIST, CollectionResource.of(each))
                return each
        raise await self._absent(caller, Action.COLLECTION_LIST)

    async def create_collection(
        self, caller: Caller, name: str, region: str | None = None, marking: Marking = NOTHING_SAID
    ) -> Collection:
        """Raises ``Forbidden``, ``AlreadyExists``, or ``RegionRefused`` for any region but the cell's.

        It belongs to the caller unless ``marking`` names somebody else; what is said is what its new documents get.
        """
        marks = await self._marks(caller, marking)
        made = Collection(self._clock.new_id(), caller.tenant.id, slug(name), self._gate.cell_region, marks)
        if region is not None and Region(region) != self._gate.cell_region:
            raise await self._elsewhere(caller, made, Region(region))
        decision = await self._gate.require(caller, Action.COLLECTION_CREATE, CollectionResource.of(made))
        event = self._gate.event(
            caller,
            Action.COLLECTION_CREATE,
            CollectionResource.of(made),
            Outcome.PERMITTED,
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
        )
        async with self._database.writing() as unit:
            await unit.collections.add(made)
            await unit.audit.append(event)
            await unit.commit()
        return made

    async def documents(self, caller: Caller, collection_id: UUID, after: UUID | None = None, limit: int = 50) -> DocumentPage:
        """The collection's documents that the caller may list, oldest first, a page at a time."""
        if not 1 <= limit <= MAX_PAGE:
            raise CallerError(f"The limit has to be from 1 to {MAX_PAGE}.", limit=MAX_PAGE)
        where = await self._collection(caller, collection_id)
        decision = await self._gate.require(caller, Action.DOCUMENT_LIST, CollectionResource.of(where))
        scope = await self._gate.scope(caller, Action.DOCUMENT_LIST)
        async with self._database.reading() as unit:
            found = await unit.documents.list(scope, collection_id=where.id, after=after, limit=limit + 1)
        page = found[:limit]
        listed = await self._listable(caller, page, scope.bundle_digest)
        ids = tuple(document.id for document in listed)
        await self._gate.record(
            caller, Action.DOCUMENT_LIST, CollectionResource.of(where), Outcome.PERMITTED, decision, documents=ids
        )
        async with self._gate.completing(caller, Action.DOCUMENT_LIST, CollectionResource.of(where), decision, documents=ids):
            views = await self._views(caller, listed)
        return DocumentPage(tuple(views), page[-1].id if len(found) > limit else None)

    async def document(self, caller: Caller, document_id: UUID) -> DocumentView:
        """Raises ``NotFound`` (also for another tenant's) or ``Forbidden``."""
        document = await self._document(caller, document_id, Action.DOCUMENT_LIST)
        action, ids = Action.DOCUMENT_LIST, (document.id,)
        decision = await self._permitted(caller, action, document.attributes, ids)
        async with self._gate.completing(caller, action, document.attributes, decision, documents=ids):
            (view,) = await self._views(caller, [document])
        return view

    async def titles(self, caller: Caller, documents: Sequence[UUID]) -> dict[UUID, DocumentTitle]:
        """The titles of those documents that the caller may list; of the others nothing, as if they had none."""
        async with self._database.reading() as unit:
            found = list((await unit.documents.many(documents, caller.tenant.id)).values())
        decisions = self._gate.decide_each(caller, Action.DOCUMENT_LIST, [each.attributes for each in found])
        listed = [(each, decision) for each, decision in zip(found, decisions, strict=True) if decision.allowed]
        events = [
            self._gate.event(
                caller,
                Action.DOCUMENT_LIST,
                document.attributes,
                Outcome.PERMITTED,
                documents=(document.id,),
                policies=decision.policies,
                bundle_digest=decision.bundle_digest,
            )
            for document, decision in listed
        ]
        await self._gate.append(*events)
        if not listed:
            return {}
        shown, tenant = [document for document, _ in listed], TenantResource(caller.tenant.id)
        async with self._gate.completing(caller, Action.DOCUMENT_LIST, tenant, listed[0][1]):
            return {view.id: view.title for view in await self._views(caller, shown)}

    async def text(self, caller: Caller, document_id: UUID) -> str:
        """The extracted text of the current version, to which a citation's offsets point. Raises like ``document``."""
        document = await self._document(caller, document_id, Action.DOCUMENT_READ)
        content, _ = await self._content(caller, document, Part.TEXT)
        return content.decode("utf-8")

    async def original(self, caller: Caller, document_id: UUID) -> tuple[bytes, DocumentTitle]:
        """The file as it was ingested, with its title and media type. Raises like ``document``."""
        document = await self._document(caller, document_id, Action.DOCUMENT_READ)
        return await self._content(caller, document, Part.ORIGINAL)

    async def _marks(self, caller: Caller, marking: Marking) -> Marks:
        async with self._database.reading() as unit:
            groups = await group_ids(unit, caller.tenant.id, marking.groups or ())
            owner = caller.principal.id
            if marking.owner is not None:
                owner = await owner_id(unit, self._keys, caller.tenant.id, marking.owner)
        return Marks(
            classification=UNMARKED.classification if marking.classification is None else marking.classification,
            groups=groups,
            owner=owner,
            labels=marking.labels or frozenset(),
            personal_data=bool(marking.personal_data),
            validity=marking.validity or ALWAYS,
        )

    async def _content(self, caller: Caller, document: Document, part: Part) -> tuple[bytes, DocumentTitle]:
        decision = await self._permitted(caller, Action.DOCUMENT_READ, document.attributes, (document.id,), part)
        async with self._gate.completing(caller, Action.DOCUMENT_READ, document.attributes, decision, documents=(document.id,)):
            place = (document.attributes, document.version.id, part)
            envelope = await self._blobs.get(blob_key(*place))
            # By the key that the envelope names: a document that is being encrypted anew has two.
            named, own = key_id_of(envelope), document.version.data_key_id
            keys = await self._keys.open_many(caller.tenant.id, frozenset({named, own}))
            # In a thread: a large original would hold up everybody else's requests.
            content = await asyncio.to_thread(unseal, keys[named], context_of(*place), envelope)
            return content, title_of(document, keys[own])

    async def _permitted(
        self,
        caller: Caller,
        action: Action,
        resource: Resource,
        documents: tuple[UUID, ...] = (),
        part: Part | None = None,
    ) -> Decision:
        """Decides and records, durably; whoever gets the decision may release."""
        decision = await self._gate.require(caller, action, resource)
        detail = (("part", part.value),) if part is not None else ()
        await self._gate.record(caller, action, resource, Outcome.PERMITTED, decision, documents=documents, detail=detail)
        return decision

    async def _listable(self, caller: Caller, documents: Sequence[Document], scope_digest: str) -> list[Document]:
        """Each document decided again. The scope should have left nothing to deny; what it did leave is an alarm, unless
        policies have changed since it was made."""
        attributes = [document.attributes for document in documents]
        decisions = self._gate.decide_each(caller, Action.DOCUMENT_LIST, attributes)
        listed = []
        for document, decision in zip(documents, decisions, strict=True):
            if decision.allowed:
                listed.append(document)
                continue
            if decision.bundle_digest != scope_digest:
                continue
            await self._gate.record(
                caller,
                Action.DOCUMENT_LIST,
                document.attributes,
                Outcome.DENIED,
                decision,
                documents=(document.id,),
                reason="scope-mismatch",
            )
        return listed

    async def _views(self, caller: Caller, documents: Sequence[Document]) -> list[DocumentView]:
        if not documents:
            return []
        key_ids = frozenset(document.version.data_key_id for document in documents)
        keys = await self._keys.open_many(caller.tenant.id, key_ids)
        async with self._database.reading() as unit:
            groups = await _group_slugs(unit, caller.tenant.id, documents)
            subjects = await unit.subjects.of_documents(caller.tenant.id, [document.id for document in documents])
        return [
            DocumentView(
                id=document.id,
                collection_id=document.attributes.collection_id,
                version_id=document.version.id,
                title=title_of(document, keys[document.version.data_key_id]),
                marks=document.attributes.marks,
                region=document.attributes.region,
                groups=tuple(sorted(groups[each] for each in document.attributes.groups)),
                size_bytes=document.version.size_bytes,
                created_at=document.version.created_at,
                subjects=len(subjects[document.id]),
            )
            for document in documents
        ]

    async def _collection(self, caller: Caller, collection_id: UUID) -> Collection:
        try:
            async with self._database.reading() as unit:
                return await unit.collections.get(caller.tenant.id, collection_id)
        except NotFound:
            raise await self._absent(caller, Action.DOCUMENT_LIST) from None

    async def _document(self, caller: Caller, document_id: UUID, action: Action) -> Document:
        try:
            async with self._database.reading() as unit:
                return await unit.documents.get(caller.tenant.id, document_id)
        except NotFound:
            raise await self._absent(caller, action, document_id) from None

    async def _absent(self, caller: Caller, action: Action, *documents: UUID) -> NotFound:
        """The error for what does not exist in the caller's tenant, once the attempt is recorded. No policy had to decide."""
        await self._gate.record(
            caller,
            action,
            TenantResource(caller.tenant.id),
            Outcome.DENIED,
            Decision(allowed=False, policies=(), bundle_digest=""),
            documents=documents,
            reason=NotFound.slug,
        )
        return NotFound()

    async def _elsewhere(self, caller: Caller, made: Collection, region: Region) -> RegionRefused:
        """The error for a region that this cell is not in, once the refusal is recorded."""
        elsewhere = CollectionResource(made.tenant_id, made.id, region, made.marks)
        (decision,) = self._gate.decide_each(caller, Action.COLLECTION_CREATE, [elsewhere])
        await self._gate.record(
            caller, Action.COLLECTION_CREATE, elsewhere, Outcome.DENIED, decision, reason=RegionRefused.slug
        )
        return RegionRefused(f"This cell is in {self._gate.cell_region}, not in {region}.", region=region.name)


async def _group_slugs(unit: UnitOfWork, tenant_id: UUID, documents: Sequence[Document]) -> dict[UUID, str]:
    """The groups' names by id, read only where a document names any; one that was removed shows as its id."""
    named = {group for document in documents for group in document.attributes.groups}
    slugs = {group: str(group) for group in named}
    if named:
        slugs |= {group.id: group.slug for group in await unit.principals.groups(tenant_id)}
    return slugs
