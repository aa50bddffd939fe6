"""Taking in what another cell has exported of a tenant.

Obligations, labelled where they are met:

1. It is decided before a byte of the bundle is read.
2. Everything about the bundle is checked before anything of it is taken: its form, its kind and tenant, the signature, every
   file's hash, and that whoever and whatever it names is here.
3. What comes from another region is a transfer: it needs an unexpired legal basis, and is in the register before data flows.
4. It is recorded, durably, before anything is stored.
5. Documents go the way of every document that is brought in, and conversations to nobody but whom they belong to. The same
   bundle again adds nothing twice: documents are known by their source and conversations by the id that they had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domicile.access.gate import Gate
from domicile.access.profiles import Profiles
from domicile.access.transfers import Flow, TransferRegister
from domicile.audit.events import Outcome
from domicile.crypto.signatures import VerifyKey
from domicile.domain.actions import Action
from domicile.domain.documents import Collection, Job
from domicile.domain.errors import BundleInvalid, CallerError
from domicile.domain.marks import Marking
from domicile.domain.principals import Caller
from domicile.domain.transfers import Unit
from domicile.domain.values import Region, clean_text
from domicile.lifecycle.bundle_reading import Bundle
from domicile.lifecycle.contents import (
    TENANT,
    DocumentRecord,
    TenantRecord,
    document_paths,
    read_document,
    read_tenant,
)
from domicile.lifecycle.manifest import BundleKind
from domicile.lifecycle.selection import names_of
from domicile.policy.regions import DataKind
from domicile.policy.request import Decision, TenantResource
from domicile.ports.repositories import Database
from domicile.ports.scratch import Scratch, ScratchRoom

#: Bytes of originals that are taken in at once: they are held in memory.
_BATCH_BYTES = 32 << 20
#: Names that one sentence lists.
_MOST_NAMED = 10


class TakeDocuments(Protocol):
    """Brings documents in, as (source, content), and gives the job that publishes them."""

    async def __call__(
        self, caller: Caller, collection_id: UUID, files: Sequence[tuple[str, bytes]], marking: Marking
    ) -> Job: ...


class MakeCollection(Protocol):
    async def __call__(self, caller: Caller, name: str, *, marking: Marking) -> Collection: ...


@dataclass(frozen=True, slots=True)
class BringIn:
    """The ways by which documents and collections come in, whoever brings them."""

    documents: TakeDocuments
    collection: MakeCollection


class RestoredConversations(Protocol):
    """What knows the words of conversations."""

    def owner(self, body: bytes) -> str:
        """The login of whose it is; raises ``BundleInvalid``."""
        ...

    async def restore(
        self, tenant_id: UUID, owner_id: UUID, body: bytes, versions: Mapping[UUID, tuple[UUID, UUID]], began: datetime
    ) -> bool:
        """Add it for that person; False if it is there already.

        Raises ``DocumentErased`` if a document that it draws from was erased since the import ``began``.
        """
        ...


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """``document_bytes`` bounds one original, ``source_chars`` the path that it is known by, and ``documents`` what is taken in
    at once."""

    source_chars: int
    document_bytes: int
    documents: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What was taken in. ``jobs`` publish the documents. Conversations without an owner here were not taken."""

    source: Region
    documents: int
    collections_made: tuple[str, ...]
    jobs: tuple[Job, ...]
    conversations_added: int
    conversations_known: int
    conversations_without_owner: tuple[UUID, ...]
    withheld_at_source: int


@dataclass(frozen=True, slots=True)
class _Read:
    """What a bundle describes."""

    tenant: TenantRecord
    documents: tuple[DocumentRecord, ...]
    conversations: tuple[str, ...]


class Imports:
    """All raise ``Forbidden`` as the gate does."""

    def __init__(
        self,
        *,
        database: Database,
        gate: Gate,
        transfers: TransferRegister,
        profiles: Profiles,
        bring: BringIn,
        conversations: RestoredConversations,
        room: ScratchRoom,
        limits: ImportLimits,
    ) -> None:
        self._database = database
        self._gate = gate
        self._transfers = transfers
        self._profiles = profiles
        self._bring = bring
        self._conversations = conversations
        self._room = room
        self.limits = limits

    async def begin(self, caller: Caller) -> Scratch:
        """Where the bundle is to be written to, once it is decided that the caller may bring one."""
        await self._require(caller)  # (1)
        return await asyncio.to_thread(self._room.new)

    async def take(self, caller: Caller, scratch: Scratch, key: VerifyKey | None, *, unverified: bool = False) -> Imported:
        """Everything of the bundle, once all of it is found to be right.

        Without a key the caller has to say that nobody vouches for the bundle; then no conversations are taken, in which it
        could put words into people's mouths. Raises ``BundleInvalid``, ``CallerError``, ``TransferDenied`` and
        ``DependencyError``.
        """
        began = self._gate.now()
        decision = await self._require(caller)  # (1)
        if (key is None) is not unverified:
            raise CallerError(
                "An import needs the public key of the cell that made the bundle, or the word that it goes without.",
                hint="Give the key that 'domicile receipt key' prints there, or say 'unverified'.",
            )
        tenant = TenantResource(caller.tenant.id)
        try:
            bundle = await asyncio.to_thread(Bundle.open, scratch.reader())
            read = await self._checked(caller, bundle, key)  # (2)
            source = Region(bundle.manifest.region)
        except CallerError as error:
            await self._gate.record(caller, Action.IMPORT_CREATE, tenant, Outcome.FAILED, decision, reason=error.slug)
            raise
        if source != self._gate.cell_region:
            flow = Flow(source, self._gate.cell_region, DataKind.CONTENT, len(read.documents), Unit.DOCUMENTS, "bundle")
            await self._transfers.require(caller, flow, Action.IMPORT_CREATE, tenant)  # (3)
        detail = (
            ("from", source.name),
            ("documents", len(read.documents)),
            ("conversations", len(read.conversations)),
            ("signed-by", bundle.manifest.key_id if key else ""),
        )
        await self._gate.record(caller, Action.IMPORT_CREATE, tenant, Outcome.PERMITTED, decision, detail=detail)  # (4)
        return await self._taken(caller, bundle, read, source, began)

    async def _require(self, caller: Caller) -> Decision:
        return await self._gate.require(caller, Action.IMPORT_CREATE, TenantResource(caller.tenant.id))

    async def _checked(self, caller: Caller, bundle: Bundle, key: VerifyKey | None) -> _Read:
        manifest = bundle.manifest
        if manifest.kind is not BundleKind.TENANT:
            raise BundleInvalid(
                "The bundle is of one person, and only a tenant's can be imported.", hint="Export the tenant, and import that."
            )
        if manifest.tenant != caller.tenant.slug:
            raise BundleInvalid(
                "The bundle is of a tenant of another name than this one.", hint="Import it into a tenant of the same name."
            )
        if key is not None:
            await asyncio.to_thread(bundle.verify, key)
        await asyncio.to_thread(bundle.check)
        read = await asyncio.to_thread(_described, bundle, self.limits)
        if key is None:
            read = _Read(read.tenant, read.documents, ())
        for path in read.conversations:
            self._conversations.owner(await asyncio.to_thread(bundle.read, path))
        await self._check_names(caller, read)
        return read

    async def _check_names(self, caller: Caller, read: _Read) -> None:
        """Raises ``CallerError`` that names every group and login which documents need and which is not here."""
        marks = [*(each.marks for each in read.documents), *(each.marks for each in read.tenant.collections)]
        async with self._database.reading() as unit:
            names = await names_of(unit, self._profiles, caller.tenant.id)
        absent_groups = sorted({slug for each in marks for slug in each.groups}.difference(names.groups.values()))
        absent_people = sorted({each.owner for each in marks if each.owner}.difference(names.logins.values()))
        if absent_groups or absent_people:
            raise CallerError(
                f"What the documents name is not in this tenant: {_listed('group', absent_groups, 'login', absent_people)}.",
                hint="Have the operator add them ('domicile group create', 'domicile user create'), and import again.",
            )

    async def _taken(self, caller: Caller, bundle: Bundle, read: _Read, source: Region, began: datetime) -> Imported:
        collections, made = await self._collections(caller, read)
        batches = list(_batches(read.documents, bundle, self.limits))
        jobs = []
        for batch in batches:
            files = [(each.source, await asyncio.to_thread(bundle.read, document_paths(each.id)[1])) for each in batch]
            jobs.append(
                await self._bring.documents(caller, collections[batch[0].collection], files, batch[0].marks.marking())
            )  # (5)
        versions = await self._versions(caller, batches, jobs)
        added, known, ownerless = await self._conversations_of(caller, bundle, read, versions, began)
        return Imported(
            source=source,
            documents=len(read.documents),
            collections_made=made,
            jobs=tuple(jobs),
            conversations_added=added,
            conversations_known=known,
            conversations_without_owner=ownerless,
            withheld_at_source=len(bundle.manifest.withheld),
        )

    async def _collections(self, caller: Caller, read: _Read) -> tuple[dict[str, UUID], tuple[str, ...]]:
        """Every collection that there is by short name, and those that had to be made."""
        async with self._database.reading() as unit:
            found = {each.slug: each.id for each in await unit.collections.of_tenant(caller.tenant.id)}
        said = {each.slug: each.marks for each in read.tenant.collections}
        wanted = [*said, *(each.collection for each in read.documents)]
        made = [slug for slug in dict.fromkeys(wanted) if slug not in found]
        for slug in made:
            marking = said[slug].marking() if slug in said else Marking()
            found[slug] = (await self._bring.collection(caller, slug, marking=marking)).id
        return found, tuple(made)

    async def _versions(
        self, caller: Caller, batches: Sequence[Sequence[DocumentRecord]], jobs: Sequence[Job]
    ) -> dict[UUID, tuple[UUID, UUID]]:
        """The document and version here of each document there: the one to be published, or that is published already."""
        items = {
            record.id: item
            for batch, job in zip(batches, jobs, strict=True)
            for record, item in zip(batch, job.items, strict=True)
        }
        async with self._database.reading() as unit:
            published = await unit.documents.many([item.document_id for item in items.values()], caller.tenant.id)
        found = {}
        for id_, item in items.items():
            there = published.get(item.document_id)
            same = there is not None and there.version.content_digest == item.content_digest
            found[id_] = (item.document_id, there.version.id if there is not None and same else item.version_id)
        return found

    async def _conversations_of(
        self, caller: Caller, bundle: Bundle, read: _Read, versions: Mapping[UUID, tuple[UUID, UUID]], began: datetime
    ) -> tuple[int, int, tuple[UUID, ...]]:
        async with self._database.reading() as unit:
            names = await names_of(unit, self._profiles, caller.tenant.id)
        people = {login: id_ for id_, login in names.logins.items()}
        added, known, ownerless = 0, 0, []
        for path in read.conversations:
            body = await asyncio.to_thread(bundle.read, path)
            owner = people.get(self._conversations.owner(body))
            if owner is None:
                ownerless.append(UUID(path.removeprefix("conversations/").removesuffix(".json")))
            elif await self._conversations.restore(caller.tenant.id, owner, body, versions, began):
                added += 1
            else:
                known += 1
        return added, known, tuple(ownerless)


def _described(bundle: Bundle, limits: ImportLimits) -> _Read:
    """Reads every description in the bundle; raises ``BundleInvalid``, and ``CallerError`` for what cannot be taken here."""
    tenant = read_tenant(bundle.read(TENANT))
    documents = []
    for path in bundle.paths:
        if not path.endswith("/document.json"):
            continue
        record = read_document(bundle.read(path))
        described, original, _ = document_paths(record.id)
        if described != path or original not in bundle:
            raise BundleInvalid("A document in the bundle is not the one that its description is about.")
        if bundle.size(original) > limits.document_bytes:
            raise CallerError(
                f"A document in the bundle has more than {limits.document_bytes} bytes.",
                hint="Ask the operator to raise DOMICILE_MAX_DOCUMENT_BYTES.",
                limit=limits.document_bytes,
            )
        if not 0 < len(clean_text(record.source)) <= limits.source_chars:
            raise BundleInvalid(f"A document's source has 1 to {limits.source_chars} characters.")
        documents.append(record)
    conversations = tuple(path for path in bundle.paths if path.startswith("conversations/"))
    return _Read(tenant, tuple(sorted(documents, key=_place)), conversations)


def _place(record: DocumentRecord) -> tuple[str, str, UUID]:
    """Sorts those together that are brought in together."""
    return record.collection, repr(record.marks), record.id


def _batches(records: Sequence[DocumentRecord], bundle: Bundle, limits: ImportLimits) -> Iterator[Sequence[DocumentRecord]]:
    """Documents of one collection with the same marks, as many as may be in memory at once."""
    batch: list[DocumentRecord] = []
    size = 0
    for each in records:
        length = bundle.size(document_paths(each.id)[1])
        apart = batch and (batch[0].collection, batch[0].marks) != (each.collection, each.marks)
        if apart or len(batch) == limits.documents or (batch and size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += length
    if batch:
        yield batch


def _listed(kind: str, names: Sequence[str], other: str, others: Sequence[str]) -> str:
    """As many as fit in a sentence."""
    all_ = [*(f"{kind} '{name[:64]}'" for name in names), *(f"{other} '{name[:64]}'" for name in others)]
    shown = ", ".join(all_[:_MOST_NAMED])
    return shown if len(all_) <= _MOST_NAMED else f"{shown} and {len(all_) - _MOST_NAMED} more"
