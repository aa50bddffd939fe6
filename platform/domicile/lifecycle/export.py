"""Handing over what a tenant holds, or what there is about one person, as a signed bundle.

Obligations, labelled where they are met:

1. The export is decided, and recorded, before anything is looked for.
2. Each document is decided by ``document:read`` and each conversation by ``conversation:export``, and that is recorded,
   durably, before the first of its bytes leaves. What policy denies is named in the manifest, by id, and never left out
   silently.
3. One document is in memory at a time, and no more of the bundle than was not taken yet.
4. How it ended is an event of its own: one that was broken off is ``failed``, and has no manifest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from domicile.access.events import resource_name
from domicile.access.gate import Gate
from domicile.access.naming import owner_id
from domicile.access.profiles import Profiles
from domicile.audit.encoding import timestamp
from domicile.audit.events import Outcome
from domicile.crypto.signatures import SigningKey
from domicile.domain.actions import Action
from domicile.domain.conversations import Conversation
from domicile.domain.documents import Document
from domicile.domain.errors import DecryptionFailed, NotFound
from domicile.domain.principals import Caller
from domicile.domain.subjects import subject_digest
from domicile.lifecycle.accesses import Told, lines
from domicile.lifecycle.bundle_writing import BundleWriter
from domicile.lifecycle.contents import (
    ACCESS,
    ACCOUNT,
    TENANT,
    DocumentRecord,
    Names,
    conversation_path,
    document_paths,
    written,
)
from domicile.lifecycle.describing import describe_person, describe_tenant
from domicile.lifecycle.manifest import FORMAT, BundleKind, Manifest, Why, Withheld
from domicile.lifecycle.opening import Opened, Opener
from domicile.lifecycle.selection import Selection, about_subject, everything, names_of, of_person
from domicile.policy.request import Decision, OwnedResource, Resource, TenantResource
from domicile.ports.audit_log import AuditLog
from domicile.ports.clock import Clock
from domicile.ports.repositories import Database

#: Bytes that are handed on at once.
_PIECE = 1 << 20


class OpenedConversation(Protocol):
    @property
    def documents(self) -> frozenset[UUID]:
        """Those that its answers draw from."""
        ...


Talk = TypeVar("Talk", bound=OpenedConversation)


class PackedConversations(Protocol[Talk]):
    """What knows the words of conversations."""

    async def open(self, conversation: Conversation) -> Talk:
        """Raises ``DecryptionFailed``."""
        ...

    def pack(self, talk: Talk, owner: str, readable: Set[UUID], *, own: bool) -> tuple[bytes, int]:
        """The file of a bundle, and how many answers are left out of it: those that draw from other than ``readable``
        documents, unless the conversation is one's ``own``."""
        ...


@dataclass(frozen=True, slots=True)
class Maker:
    """The cell that makes bundles: its name, and the key that it signs them with."""

    cell: str
    key: SigningKey


@dataclass(slots=True)
class _Made:
    """What is in the bundle so far."""

    documents: set[UUID] = field(default_factory=set)
    conversations: set[UUID] = field(default_factory=set)
    withheld: list[Withheld] = field(default_factory=list)
    done: bool = False

    def leave_out(self, id_: UUID, what: str, reason: Why) -> None:
        self.withheld.append(Withheld(id=id_, what=what, reason=reason))

    def facts(self) -> tuple[tuple[str, int], ...]:
        reasons = Counter(each.reason.value for each in self.withheld)
        counted = {"documents": len(self.documents), "conversations": len(self.conversations), **reasons}
        return tuple((name, counted[name]) for name in sorted(counted))


class Exports(Generic[Talk]):
    """All raise ``Forbidden`` as the gate does, before they give anything; the bytes come as they are taken."""

    def __init__(
        self,
        *,
        database: Database,
        opener: Opener,
        log: AuditLog,
        gate: Gate,
        clock: Clock,
        profiles: Profiles,
        conversations: PackedConversations[Talk],
        maker: Maker,
    ) -> None:
        self._database = database
        self._keys = opener.keys
        self._opener = opener
        self._log = log
        self._gate = gate
        self._clock = clock
        self._profiles = profiles
        self._conversations = conversations
        self._maker = maker

    async def tenant(self, caller: Caller) -> AsyncIterator[bytes]:
        """Everything of the caller's tenant that the caller may read."""
        resource = TenantResource(caller.tenant.id)
        decision = await self._begun(caller, resource, BundleKind.TENANT)
        async with self._database.reading() as unit:
            selection = await everything(unit, caller.tenant)
        return self._bundle(caller, resource, decision, selection)

    async def person(self, caller: Caller, login: str) -> AsyncIterator[bytes]:
        """What there is of whoever has that login: account, conversations, own documents, and who accessed them.

        Raises ``CallerError`` if there is nobody of that login in the tenant.
        """
        resource = TenantResource(caller.tenant.id)
        decision = await self._begun(caller, resource, BundleKind.SUBJECT)
        async with self._database.reading() as unit:
            person = await unit.principals.get(await owner_id(unit, self._keys, caller.tenant.id, login))
            selection = await of_person(unit, person)
        return self._bundle(caller, resource, decision, selection)

    async def subject(self, caller: Caller, identifier: str) -> AsyncIterator[bytes]:
        """What is tagged with that data subject. Raises ``CallerError`` for what cannot be an identifier."""
        resource = TenantResource(caller.tenant.id)
        decision = await self._begun(caller, resource, BundleKind.SUBJECT)
        digest = subject_digest(await self._keys.digest_key(caller.tenant.id), identifier)
        async with self._database.reading() as unit:
            selection = await about_subject(unit, caller.tenant.id, digest)
        return self._bundle(caller, resource, decision, selection)

    async def own(self, caller: Caller) -> AsyncIterator[bytes]:
        """The same of the caller."""
        principal = caller.principal
        resource = OwnedResource("account", principal.id, caller.tenant.id, principal.id)
        decision = await self._begun(caller, resource, BundleKind.SUBJECT)
        async with self._database.reading() as unit:
            selection = await of_person(unit, principal)
        return self._bundle(caller, resource, decision, selection)

    async def _begun(self, caller: Caller, resource: Resource, kind: BundleKind) -> Decision:
        decision = await self._gate.require(caller, Action.EXPORT_CREATE, resource)  # (1)
        detail = (("kind", kind.value), ("change", "begin"))
        await self._gate.record(caller, Action.EXPORT_CREATE, resource, Outcome.PERMITTED, decision, detail=detail)
        return decision

    async def _bundle(
        self, caller: Caller, resource: Resource, decision: Decision, selection: Selection
    ) -> AsyncIterator[bytes]:
        made = _Made()
        try:
            async for content in self._written(caller, decision, selection, made):
                for piece in _pieces(content):
                    yield piece
            made.done = True
        finally:
            outcome = Outcome.PERMITTED if made.done else Outcome.FAILED
            detail = (("kind", selection.kind.value), ("change", "end"), *made.facts())
            await self._gate.record(caller, Action.EXPORT_CREATE, resource, outcome, decision, detail=detail)  # (4)

    async def _written(self, caller: Caller, decision: Decision, selection: Selection, made: _Made) -> AsyncIterator[bytes]:
        writer, began = BundleWriter(), self._clock.now()
        async with self._database.reading() as unit:
            names = await names_of(unit, self._profiles, caller.tenant.id)
            tenant = await describe_tenant(unit, self._gate, caller, names) if selection.kind is BundleKind.TENANT else None
        if tenant is not None:
            yield writer.add(TENANT, "tenant", written(tenant))
        for account in selection.accounts:
            yield writer.add(ACCOUNT, "account", written(describe_person(account, names)))
        async for page in selection.pages(self._database, caller.tenant.id):
            if not names.know(page):
                async with self._database.reading() as unit:
                    names = await names_of(unit, self._profiles, caller.tenant.id)
            async for piece in self._documents(caller, page, names, writer, made):
                yield piece
        async for piece in self._talks(caller, selection.conversations, names, writer, made):
            yield piece
        yield writer.begin(ACCESS, "access-log")
        async for line in lines(self._log, caller.tenant.id, self._told(caller, selection, names, made), began):
            yield writer.append(line)
        yield writer.end()
        yield writer.close(self._manifest(caller, decision, selection, writer, made), self._maker.key)

    async def _documents(
        self, caller: Caller, page: Sequence[Document], names: Names, writer: BundleWriter, made: _Made
    ) -> AsyncIterator[bytes]:
        decisions = self._gate.decide_each(caller, Action.DOCUMENT_READ, [each.attributes for each in page])
        await self._recorded(caller, Action.DOCUMENT_READ, [each.attributes for each in page], decisions)  # (2)
        for document, decision in zip(page, decisions, strict=True):
            if not decision.allowed:
                made.leave_out(document.id, "document", Why.POLICY)
                continue
            try:
                current, opened = await self._opened(caller, document)
            except (DecryptionFailed, NotFound) as error:
                made.leave_out(document.id, "document", Why.UNREADABLE)
                await self._failed(caller, Action.DOCUMENT_READ, document.attributes, decision, error.slug)
                continue
            made.documents.add(document.id)
            description, original, text = document_paths(document.id)
            record = DocumentRecord.of(current, opened.title, names)
            yield writer.add(description, "description", written(record))
            yield writer.add(original, "original", opened.original)
            yield writer.add(text, "text", opened.text)

    async def _opened(self, caller: Caller, document: Document) -> tuple[Document, Opened]:
        """With the version that it is of: the one that was decided may have been replaced, or encrypted anew, meanwhile.

        Another version is taken only with the same attributes, which are what was decided.
        """
        try:
            return document, await self._opener.open(caller.tenant.id, document)
        except (DecryptionFailed, NotFound):
            async with self._database.reading() as unit:
                now = (await unit.documents.many([document.id], caller.tenant.id)).get(document.id)
            if now is None or now == document or now.attributes != document.attributes:
                raise
            return now, await self._opener.open(caller.tenant.id, now)

    async def _talks(
        self, caller: Caller, found: Sequence[Conversation], names: Names, writer: BundleWriter, made: _Made
    ) -> AsyncIterator[bytes]:
        resources = [_resource_of(each) for each in found]
        decisions = self._gate.decide_each(caller, Action.CONVERSATION_EXPORT, resources)
        for conversation, resource, decision in zip(found, resources, decisions, strict=True):
            await self._recorded(caller, Action.CONVERSATION_EXPORT, [resource], [decision])  # (2)
            if not decision.allowed:
                made.leave_out(conversation.id, "conversation", Why.POLICY)
                continue
            try:
                body = await self._packed(caller, conversation, decision, names, made)
            except DecryptionFailed as error:
                made.leave_out(conversation.id, "conversation", Why.UNREADABLE)
                await self._failed(caller, Action.CONVERSATION_EXPORT, resource, decision, error.slug)
                continue
            yield writer.add(conversation_path(conversation.id), "conversation", body)

    async def _packed(self, caller: Caller, conversation: Conversation, decision: Decision, names: Names, made: _Made) -> bytes:
        """With the documents that its answers draw from decided, and those recorded of which something is in it."""
        talk = await self._conversations.open(conversation)
        async with self._database.reading() as unit:
            behind = list((await unit.documents.many(sorted(talk.documents), caller.tenant.id)).values())
        decisions = self._gate.decide_each(caller, Action.DOCUMENT_READ, [each.attributes for each in behind])
        readable = {each.id for each, permitted in zip(behind, decisions, strict=True) if permitted.allowed}
        login, own = names.logins.get(conversation.principal_id, ""), conversation.principal_id == caller.principal.id
        body, left_out = self._conversations.pack(talk, login, readable, own=own)
        await self._gate.record(
            caller,
            Action.CONVERSATION_EXPORT,
            _resource_of(conversation),
            Outcome.PERMITTED,
            decision,
            documents=tuple(sorted(readable)),
            detail=(("answers-withheld", left_out),),
        )
        if left_out:
            made.leave_out(conversation.id, "answers", Why.POLICY)
        made.conversations.add(conversation.id)
        return body

    async def _recorded(
        self, caller: Caller, action: Action, resources: Sequence[Resource], decisions: Sequence[Decision]
    ) -> None:
        events = [
            self._gate.event(
                caller,
                action,
                resource,
                Outcome.PERMITTED if decision.allowed else Outcome.DENIED,
                documents=_document_ids(resource),
                policies=decision.policies,
                bundle_digest=decision.bundle_digest,
                detail=(("part", "export"),),
            )
            for resource, decision in zip(resources, decisions, strict=True)
        ]
        await self._gate.append(*events)

    async def _failed(self, caller: Caller, action: Action, resource: Resource, decision: Decision, reason: str) -> None:
        documents = _document_ids(resource)
        await self._gate.record(caller, action, resource, Outcome.FAILED, decision, documents=documents, reason=reason)

    def _told(self, caller: Caller, selection: Selection, names: Names, made: _Made) -> Told:
        """Whoever looks after the tenant's people may see their names anyway; others see only their own."""
        (people,) = self._gate.decide_each(caller, Action.MEMBER_CREATE, [TenantResource(caller.tenant.id)])
        own = {id_: login for id_, login in names.logins.items() if id_ == caller.principal.id}
        return Told(
            documents=made.documents,
            resources={f"conversation:{id_}" for id_ in made.conversations}
            | {resource_name(OwnedResource("account", each.id, each.tenant_id, each.id)) for each in selection.accounts},
            principals={each.id for each in selection.accounts},
            names=names.logins if people.allowed else own,
        )

    def _manifest(
        self, caller: Caller, decision: Decision, selection: Selection, writer: BundleWriter, made: _Made
    ) -> Manifest:
        return Manifest(
            bundle_digest=decision.bundle_digest,
            cell=self._maker.cell,
            entries=writer.entries,
            format=FORMAT,
            key_id=self._maker.key.public.id,
            kind=selection.kind,
            made_at=timestamp(self._clock.now()),
            region=self._gate.cell_region.name,
            tenant=caller.tenant.slug,
            tenant_id=caller.tenant.id,
            withheld=tuple(made.withheld),
        )


def _resource_of(conversation: Conversation) -> OwnedResource:
    return OwnedResource("conversation", conversation.id, conversation.tenant_id, conversation.principal_id)


def _document_ids(resource: Resource) -> tuple[UUID, ...]:
    document_id: UUID | None = getattr(resource, "document_id", None)
    return () if document_id is None else (document_id,)


def _pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]
