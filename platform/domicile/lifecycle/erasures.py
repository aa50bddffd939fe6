"""Asking for erasures, approving them and following them. They are carried out elsewhere (``erasure_run``).

Obligations, labelled where they are met:

1. What is held is refused before anything is written; whoever carries it out asks again.
2. Where approval is needed, it is somebody else's, whatever the policies say.
3. Of a data subject only the digest is stored. Whether anything is about somebody is told in numbers, to those who may erase.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domicile.access.administration import Administration
from domicile.access.credentials import login_name
from domicile.access.gate import Gate
from domicile.access.holds import held
from domicile.access.profiles import login_digest
from domicile.access.resources import uuid_of
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.erasures import Erasure, ErasureKind, ErasureState
from domicile.domain.errors import CallerError, Forbidden, NotFound, NotWaiting
from domicile.domain.holds import Hold
from domicile.domain.principals import Caller
from domicile.domain.subjects import subject_digest
from domicile.domain.values import slug
from domicile.lifecycle.erasure_rows import is_person_held, nothing_known, talks, targets
from domicile.lifecycle.erasure_work import tenant_or_its_id
from domicile.policy.request import Decision, OwnedResource, Resource, TenantResource
from domicile.ports.clock import Clock
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database, UnitOfWork


@dataclass(frozen=True, slots=True)
class Wanted:
    """``target`` is a document's id or a data subject's identifier, empty for a tenant; ``account`` is the subject's login.

    ``reason`` is a short name, such as that of the request.
    """

    kind: ErasureKind
    target: str
    reason: str
    account: str | None = None


@dataclass(frozen=True, slots=True)
class ErasurePreview:
    """How much would go now, and how much of that is held and stays."""

    documents: int
    conversations: int
    accounts: int
    held_documents: int
    held_conversations: int
    held_accounts: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is wanted, found and decided."""

    erasure: Erasure
    action: Action
    resource: Resource
    decision: Decision


class ErasureBook:
    """All raise ``Forbidden`` as the gate does. With ``approval``, nothing begins before somebody else has let it."""

    def __init__(
        self,
        *,
        database: Database,
        keys: KeyRing,
        gate: Gate,
        clock: Clock,
        approval: bool = False,
        poll_seconds: float = 0.25,
    ) -> None:
        self._database = database
        self._keys = keys
        self._gate = gate
        self._clock = clock
        self._approval = approval
        self._poll_seconds = poll_seconds

    async def request(self, caller: Caller, wanted: Wanted) -> Erasure:
        """Taken in durably when this returns. Raises ``CallerError``, ``NotFound`` and ``LegalHold``."""
        asked = await self._asked(caller, wanted)
        async with self._database.reading() as unit:
            hold = await self._hold(unit, asked.erasure)
        if hold is not None:  # (1)
            raise await held(self._gate, caller, asked.action, asked.resource, asked.decision, hold)
        state = ErasureState.REQUESTED if self._approval else ErasureState.APPROVED
        erasure = replace(asked.erasure, state=state)
        async with self._database.writing() as unit:
            await unit.erasures.add(erasure)
            await unit.audit.append(self._event(caller, asked.action, asked.resource, asked.decision, erasure))
            await unit.commit()
        return erasure

    async def preview(self, caller: Caller, wanted: Wanted) -> ErasurePreview:
        """Raises like ``request``, but for holds, which it counts. Changes nothing."""
        asked = await self._asked(caller, wanted)
        async with self._database.reading() as unit:
            seen = await (_all_of if wanted.kind is ErasureKind.TENANT else _some_of)(unit, asked.erasure)
        await self._gate.record(
            caller, asked.action, asked.resource, Outcome.PERMITTED, asked.decision, detail=(("preview", 1),)
        )
        return seen

    async def approve(self, caller: Caller, erasure_id: UUID) -> Erasure:
        """Let it begin. Raises ``NotFound``, ``NotWaiting``, and ``Forbidden`` for whoever asked for it."""
        erasure, decision = await self._found(caller, Action.ERASURE_APPROVE, erasure_id)
        if caller.principal.id == erasure.requested_by:  # (2)
            resource = _resource(erasure)
            await self._gate.record(caller, Action.ERASURE_APPROVE, resource, Outcome.DENIED, decision, reason="own-erasure")
            raise Forbidden("Somebody else than who asked for the erasure has to approve it.")
        now = self._clock.now()
        async with self._database.writing() as unit:
            if not await unit.erasures.approve(erasure_id, caller.principal.id, now):
                raise NotWaiting()
            await unit.audit.append(self._event(caller, Action.ERASURE_APPROVE, _resource(erasure), decision, erasure))
            await unit.commit()
        return replace(erasure, state=ErasureState.APPROVED, approved_by=caller.principal.id, approved_at=now)

    async def get(self, caller: Caller, erasure_id: UUID) -> Erasure:
        """Raises ``NotFound``."""
        erasure, decision = await self._found(caller, Action.ERASURE_READ, erasure_id)
        await self._gate.record(caller, Action.ERASURE_READ, _resource(erasure), Outcome.PERMITTED, decision)
        return erasure

    async def list(self, caller: Caller, *, after: UUID | None = None, limit: int = 100) -> Sequence[Erasure]:
        """The tenant's, the newest first, from before the cursor."""
        resource = TenantResource(caller.tenant.id)
        decision = await self._gate.require(caller, Action.ERASURE_READ, resource)
        async with self._database.reading() as unit:
            found = await unit.erasures.list(caller.tenant.id, after=after, limit=limit)
        detail = (("erasures", len(found)),)
        await self._gate.record(caller, Action.ERASURE_READ, resource, Outcome.PERMITTED, decision, detail=detail)
        return found

    async def watch(self, caller: Caller, erasure_id: UUID) -> AsyncIterator[Erasure]:
        """The erasure now and after each change, until it is over. Decided and recorded once, when watching begins."""
        shown = await self.get(caller, erasure_id)
        yield shown
        while not shown.is_over:
            await asyncio.sleep(self._poll_seconds)
            async with self._database.reading() as unit:
                now = await unit.erasures.get(erasure_id)
            if now != shown:
                shown = now
                yield shown

    async def operator(self, erasure_id: UUID) -> Caller:
        """The operator on the machine, acting on that erasure's tenant, which may be gone by now. Raises ``NotFound``."""
        async with self._database.reading() as unit:
            erasure = await unit.erasures.get(erasure_id)
            tenant = await tenant_or_its_id(unit, erasure.tenant_id, self._gate.cell_region)
        return Administration.operator_caller(tenant, self._clock.now())

    async def _asked(self, caller: Caller, wanted: Wanted) -> _Asked:
        slug(wanted.reason)
        target, subject, account = None, None, None
        resource: Resource = TenantResource(caller.tenant.id)
        action = Action.TENANT_ERASE if wanted.kind is ErasureKind.TENANT else Action.ERASURE_CREATE
        if wanted.kind is ErasureKind.DOCUMENT:
            target = uuid_of(wanted.target)
            resource = await self._document(caller, target)
        decision = await self._gate.require(caller, action, resource)
        if wanted.kind is ErasureKind.TENANT:
            target = caller.tenant.id
        if wanted.kind is ErasureKind.SUBJECT:
            subject = subject_digest(await self._keys.digest_key(caller.tenant.id), wanted.target)  # (3)
            account = await self._account(caller, decision, wanted.account) if wanted.account else None
        elif wanted.account:
            raise CallerError("Only a data subject has an account.", hint="Leave the account out.")
        erasure = Erasure(
            id=self._clock.new_id(),
            tenant_id=caller.tenant.id,
            kind=wanted.kind,
            target=target,
            subject=subject,
            account=account,
            reason=wanted.reason,
            state=ErasureState.REQUESTED,
            requested_by=caller.principal.id,
            requested_at=self._clock.now(),
        )
        return _Asked(erasure, action, resource, decision)

    async def _document(self, caller: Caller, document_id: UUID) -> Resource:
        """The document as it is, or will be published; raises ``NotFound``, once that is recorded."""
        async with self._database.reading() as unit:
            published = await unit.documents.many([document_id], caller.tenant.id)
            pending = await unit.jobs.pending_of(caller.tenant.id, [document_id])
        if document_id in published:
            return published[document_id].attributes
        if pending:
            return pending[-1].attributes
        asked = nothing_known(caller.tenant.id, document_id, self._gate.cell_region)
        await self._absent(caller, Action.ERASURE_CREATE, asked)
        raise NotFound()

    async def _account(self, caller: Caller, decision: Decision, login: str) -> UUID:
        """A member of the caller's tenant; raises ``NotFound``, also for another tenant's."""
        digest = await login_digest(self._keys, login_name(login))
        async with self._database.reading() as unit:
            found = await unit.principals.by_login_digest(digest)
        if found is None or found[0].tenant_id != caller.tenant.id:
            resource = TenantResource(caller.tenant.id)
            await self._gate.record(caller, Action.ERASURE_CREATE, resource, Outcome.DENIED, decision, reason=NotFound.slug)
            raise NotFound("There is no such account in this tenant.", hint="Check the login.")
        return found[0].id

    async def _found(self, caller: Caller, action: Action, erasure_id: UUID) -> tuple[Erasure, Decision]:
        try:
            async with self._database.reading() as unit:
                erasure = await unit.erasures.get(erasure_id, caller.tenant.id)
        except NotFound:
            await self._absent(caller, action, OwnedResource("erasure", erasure_id, caller.tenant.id, caller.principal.id))
            raise
        return erasure, await self._gate.require(caller, action, _resource(erasure))

    async def _absent(self, caller: Caller, action: Action, resource: Resource) -> None:
        nobody = Decision(allowed=False, policies=(), bundle_digest="")  # No policy had to decide.
        await self._gate.record(caller, action, resource, Outcome.DENIED, nobody, reason=NotFound.slug)

    @staticmethod
    async def _hold(unit: UnitOfWork, erasure: Erasure) -> Hold | None:
        """What keeps all of it. Of a subject, what is held stays and the rest goes."""
        if erasure.kind is ErasureKind.DOCUMENT and erasure.target is not None:
            return (await unit.holds.on_documents(erasure.tenant_id, [erasure.target])).get(erasure.target)
        if erasure.kind is ErasureKind.TENANT:
            return next(iter(await unit.holds.list(erasure.tenant_id, limit=1)), None)
        return None

    def _event(self, caller: Caller, action: Action, resource: Resource, decision: Decision, erasure: Erasure) -> AuditEvent:
        named = (("erasure", str(erasure.id)), ("kind", erasure.kind.value), ("reason", erasure.reason))
        account = (("account", str(erasure.account)),) if erasure.account else ()
        return self._gate.event(
            caller,
            action,
            resource,
            Outcome.PERMITTED,
            documents=(erasure.target,) if erasure.kind is ErasureKind.DOCUMENT and erasure.target else (),
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
            detail=(*named, *account),
        )


def _resource(erasure: Erasure) -> OwnedResource:
    """Whoever asked for it owns it, so that policies can tell."""
    return OwnedResource("erasure", erasure.id, erasure.tenant_id, erasure.requested_by)


async def _some_of(unit: UnitOfWork, erasure: Erasure) -> ErasurePreview:
    documents = await targets(unit, erasure)
    conversations = await talks(unit, erasure, documents)
    kept_documents = await unit.holds.on_documents(erasure.tenant_id, documents)
    kept_conversations = await unit.holds.on_conversations(erasure.tenant_id, conversations)
    person = erasure.account is not None
    kept_person = person and await is_person_held(unit, erasure)
    return ErasurePreview(
        documents=len(documents),
        conversations=len(conversations),
        accounts=int(person),
        held_documents=len(kept_documents),
        held_conversations=len(kept_conversations),
        held_accounts=int(kept_person),
    )


async def _all_of(unit: UnitOfWork, erasure: Erasure) -> ErasurePreview:
    documents, conversations, accounts = await unit.erasing.sizes(erasure.tenant_id)
    held = bool(await unit.holds.list(erasure.tenant_id, limit=1))
    kept = (documents, conversations, accounts) if held else (0, 0, 0)
    return ErasurePreview(documents, conversations, accounts, *kept)
