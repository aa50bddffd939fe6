"""Out of sight: the rows of a document, or of all that is about a data subject.

Obligations, labelled where they are met:

1. Each thing goes in one transaction with its audit event, the order to destroy its keys, and the note of what has to be gone
   from the other stores.
2. In that transaction holds and policy are asked: what they keep stays, and is named.
3. Documents go before the conversations that quote them are looked for: an answer that is kept at the same moment either finds
   that a document is gone, or is found here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.erasures import ErasedObject, Erasure, ErasureKind, ObjectKind
from domicile.domain.errors import LegalHold, NotFound
from domicile.domain.holds import HoldKind
from domicile.domain.principals import Caller
from domicile.domain.values import Classification, Region
from domicile.lifecycle.erasure_work import Refuses, Waits, removal
from domicile.policy.request import Decision, OwnedResource, Resource
from domicile.ports.clock import Clock
from domicile.ports.lifecycle import RemovedItems
from domicile.ports.repositories import Database, UnitOfWork

#: Holds of one tenant that are looked at, more than anybody places.
_MOST_HOLDS = 100_000


class EraseDocument(Protocol):
    """Takes every trace of a document away within a transaction."""

    async def __call__(self, unit: UnitOfWork, tenant_id: UUID, document_id: UUID) -> RemovedItems: ...


async def targets(unit: UnitOfWork, erasure: Erasure) -> Sequence[UUID]:
    """The documents that it is about, as far as they are there."""
    if erasure.subject is not None:
        return await unit.subjects.documents_of(erasure.tenant_id, erasure.subject)
    return [erasure.target] if erasure.target is not None else []


async def talks(unit: UnitOfWork, erasure: Erasure, document_ids: Collection[UUID]) -> Sequence[UUID]:
    """The conversations that it is about: those that quote one of the documents, and the subject's."""
    found = set(await unit.erasing.conversations_of(erasure.tenant_id, document_ids, erasure.account))
    if erasure.subject is not None:
        found.update(await unit.subjects.conversations_of(erasure.tenant_id, erasure.subject))
    return sorted(found)


async def is_person_held(unit: UnitOfWork, erasure: Erasure) -> bool:
    """Whether a hold keeps everything about that very subject, the account included."""
    holds = await unit.holds.list(erasure.tenant_id, limit=_MOST_HOLDS)
    return any(
        each.kind is HoldKind.TENANT or (each.kind is HoldKind.SUBJECT and each.subject == erasure.subject) for each in holds
    )


class RowRemoval:
    """``erase_document`` is how documents go; conversations go as when their owner deletes them."""

    def __init__(self, *, database: Database, gate: Gate, clock: Clock, erase_document: EraseDocument) -> None:
        self._database = database
        self._gate = gate
        self._clock = clock
        self._erase_document = erase_document

    async def run(self, caller: Caller, erasure: Erasure) -> Erasure:
        """With what stays. Raises ``Waits`` while a job is at one of the documents, and ``Refuses``."""
        kept, under_way = set[str](), False
        async with self._database.reading() as unit:
            documents = await targets(unit, erasure)
        for document_id in documents:
            under_way |= await self._document(caller, erasure, document_id, kept)
        async with self._database.reading() as unit:  # (3)
            gone = await unit.erasures.documents(erasure.id)
            conversations = await talks(unit, erasure, [*gone, *([erasure.target] if erasure.target else [])])
        for conversation_id in conversations:
            await self._conversation(caller, erasure, conversation_id, kept)
        if erasure.account is not None:
            await self._account(caller, erasure, erasure.account, kept)
        if under_way:
            raise Waits("job-under-way")
        return replace(erasure, held=tuple(sorted(kept)))

    async def _document(self, caller: Caller, erasure: Erasure, document_id: UUID, kept: set[str]) -> bool:
        """Whether a job is still at it."""
        tenant_id = erasure.tenant_id
        async with self._database.writing() as unit:
            if await unit.holds.on_documents(tenant_id, [document_id]):  # (2)
                if erasure.kind is ErasureKind.DOCUMENT and not await unit.erasures.documents(erasure.id):
                    raise Refuses(LegalHold.slug)
                kept.add(f"document:{document_id}")
                return False
            attributes = await _attributes(unit, tenant_id, document_id, caller)
            decision = self._decision(caller, attributes)
            if decision.allowed:
                removed = await self._erase_document(unit, tenant_id, document_id)
                if removed.versions:
                    event = removal(self._gate, caller, erasure, attributes, decision, versions=len(removed.versions))
                    await self._note(unit, erasure, removed.versions)
                    await unit.audit.append(event)  # (1)
                    await unit.commit()
                return removed.under_way
        await self._denied(caller, attributes, decision)
        kept.add(f"document:{document_id}")
        return False

    async def _conversation(self, caller: Caller, erasure: Erasure, conversation_id: UUID, kept: set[str]) -> None:
        tenant_id = erasure.tenant_id
        try:
            async with self._database.writing() as unit:
                owner = (await unit.conversations.get(tenant_id, conversation_id)).principal_id
                held = bool(await unit.holds.on_conversations(tenant_id, [conversation_id]))  # No hold is placed from here.
                if held or (erasure.account == owner and await is_person_held(unit, erasure)):  # (2)
                    kept.add(f"conversation:{conversation_id}")
                    return
                resource = OwnedResource("conversation", conversation_id, tenant_id, owner)
                decision = self._decision(caller, resource)
                if decision.allowed:
                    removed = await unit.conversations.delete(tenant_id, conversation_id)
                    gone = ErasedObject(ObjectKind.CONVERSATION, removed.id, removed.id, (removed.data_key_id,))
                    await self._note(unit, erasure, [gone])
                    await unit.audit.append(removal(self._gate, caller, erasure, resource, decision))  # (1)
                    await unit.commit()
                    return
        except NotFound:  # Its owner was quicker.
            return
        await self._denied(caller, resource, decision)
        kept.add(f"conversation:{conversation_id}")

    async def _account(self, caller: Caller, erasure: Erasure, account: UUID, kept: set[str]) -> None:
        resource = OwnedResource("account", account, erasure.tenant_id, account)
        decision = self._decision(caller, resource)
        try:
            async with self._database.writing() as unit:
                await unit.holds.on_documents(erasure.tenant_id, [])  # No hold is placed from here.
                if not await is_person_held(unit, erasure) and decision.allowed:  # (2)
                    removed = await unit.erasing.remove_account(erasure.tenant_id, account)
                    await unit.doomed_keys.add(erasure.tenant_id, removed.keys)
                    await self._note(unit, erasure, [removed])
                    await unit.audit.append(removal(self._gate, caller, erasure, resource, decision))  # (1)
                    await unit.commit()
                    return
        except NotFound:  # It went with its tenant.
            return
        if not decision.allowed:
            await self._denied(caller, resource, decision)
        kept.add(f"account:{account}")

    def _decision(self, caller: Caller, resource: Resource) -> Decision:
        (decision,) = self._gate.decide_each(caller, Action.ERASURE_RUN, [resource])
        return decision

    async def _denied(self, caller: Caller, resource: Resource, decision: Decision) -> None:
        await self._gate.record(caller, Action.ERASURE_RUN, resource, Outcome.DENIED, decision)

    async def _note(self, unit: UnitOfWork, erasure: Erasure, objects: Sequence[ErasedObject]) -> None:
        await unit.erasures.note(erasure.id, objects, self._clock.now())


async def _attributes(unit: UnitOfWork, tenant_id: UUID, document_id: UUID, caller: Caller) -> DocumentAttributes:
    """As it is published, or will be; of what is gone but for its traces in jobs, what any document has."""
    published = await unit.documents.many([document_id], tenant_id)
    if document_id in published:
        return published[document_id].attributes
    pending = await unit.jobs.pending_of(tenant_id, [document_id])
    if pending:
        return pending[-1].attributes
    return nothing_known(tenant_id, document_id, Region(caller.access_region))


def nothing_known(tenant_id: UUID, document_id: UUID, region: Region) -> DocumentAttributes:
    """For what is asked about a document that is not there."""
    return DocumentAttributes(tenant_id, document_id, document_id, region, Classification.RESTRICTED)
