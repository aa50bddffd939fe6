"""Placing, listing and releasing legal holds.

What they keep is asked by whoever ends content: see ``domicile.access.holds``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domicile.access.gate import Gate
from domicile.access.resources import uuid_of
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, NotFound
from domicile.domain.holds import Hold, HoldKind
from domicile.domain.principals import Caller
from domicile.domain.subjects import subject_digest
from domicile.domain.values import slug
from domicile.policy.request import Decision, TenantResource
from domicile.ports.clock import Clock
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database, UnitOfWork


@dataclass(frozen=True, slots=True)
class _Target:
    id: UUID | None
    subject: bytes | None = None


class LegalHolds:
    """All raise ``Forbidden`` as the gate does. Every change commits together with its audit event."""

    def __init__(self, *, database: Database, keys: KeyRing, gate: Gate, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._gate = gate
        self._clock = clock

    async def place(self, caller: Caller, kind: HoldKind, target: str, reference: str) -> Hold:
        """In force when this returns. ``target`` is a document's id, a collection's id or short name, a data subject's
        identifier, or empty for the whole tenant; ``reference`` is a short name of the matter.

        Nothing is told of whether anything is about a subject. Raises ``CallerError``, and ``NotFound`` for a document or
        collection that is not there.
        """
        decision = await self._require(caller, Action.HOLD_WRITE)
        slug(reference)
        # A tenant's first key may have to be made, in a transaction of its own.
        digest_key = await self._keys.digest_key(caller.tenant.id) if kind is HoldKind.SUBJECT else b""
        aimed = _aimed(caller, kind, target, digest_key)
        try:
            async with self._database.writing() as unit:
                found = await self._found(unit, caller, kind, target, aimed)
                hold = Hold(
                    id=self._clock.new_id(),
                    tenant_id=caller.tenant.id,
                    kind=kind,
                    target=found.id,
                    subject=found.subject,
                    reference=reference,
                    placed_by=caller.principal.id,
                    placed_at=self._clock.now(),
                )
                await unit.holds.place(hold)
                if kind is HoldKind.DOCUMENT:  # Not before: it may just have been withdrawn.
                    await unit.documents.get(caller.tenant.id, hold.target or hold.id)
                await unit.audit.append(self._event(caller, Action.HOLD_WRITE, decision, hold, "place"))
                await unit.commit()
        except NotFound:
            await self._absent(caller, decision)
            raise
        return hold

    async def release(self, caller: Caller, hold_id: UUID) -> Hold:
        """The hold that keeps nothing any more; raises ``NotFound``, also for one that was released before."""
        decision = await self._require(caller, Action.HOLD_WRITE)
        try:
            async with self._database.writing() as unit:
                hold = await unit.holds.release(caller.tenant.id, hold_id, caller.principal.id, self._clock.now())
                await unit.audit.append(self._event(caller, Action.HOLD_WRITE, decision, hold, "release"))
                await unit.commit()
        except NotFound:
            await self._absent(caller, decision)
            raise
        return hold

    async def list(
        self, caller: Caller, *, released: bool = False, after: UUID | None = None, limit: int = 100
    ) -> Sequence[Hold]:
        """The newest first, from before the cursor; those that were released only if asked for."""
        decision = await self._require(caller, Action.HOLD_READ)
        async with self._database.reading() as unit:
            found = await unit.holds.list(caller.tenant.id, released=released, after=after, limit=limit)
        await self._gate.record(
            caller,
            Action.HOLD_READ,
            TenantResource(caller.tenant.id),
            Outcome.PERMITTED,
            decision,
            detail=(("holds", len(found)),),
        )
        return found

    async def _require(self, caller: Caller, action: Action) -> Decision:
        return await self._gate.require(caller, action, TenantResource(caller.tenant.id))

    async def _absent(self, caller: Caller, decision: Decision) -> None:
        tenant = TenantResource(caller.tenant.id)
        await self._gate.record(caller, Action.HOLD_WRITE, tenant, Outcome.DENIED, decision, reason=NotFound.slug)

    @staticmethod
    async def _found(unit: UnitOfWork, caller: Caller, kind: HoldKind, target: str, aimed: _Target) -> _Target:
        """With the collection looked up; one is never removed, so that it stays found."""
        if kind is not HoldKind.COLLECTION:
            return aimed
        try:
            id_ = UUID(target)
        except ValueError:
            return _Target((await unit.collections.by_slug(caller.tenant.id, slug(target))).id)
        return _Target((await unit.collections.get(caller.tenant.id, id_)).id)

    def _event(self, caller: Caller, action: Action, decision: Decision, hold: Hold, change: str) -> AuditEvent:
        named = (("hold", str(hold.id)), ("change", change), ("kind", hold.kind.value), ("reference", hold.reference))
        target = (("target", str(hold.target)),) if hold.target else ()
        return self._gate.event(
            caller,
            action,
            TenantResource(caller.tenant.id),
            Outcome.PERMITTED,
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
            detail=(*named, *target),
        )


def _aimed(caller: Caller, kind: HoldKind, target: str, digest_key: bytes) -> _Target:
    """What can be told of the target without looking; raises ``CallerError`` for what cannot be one."""
    match kind:
        case HoldKind.DOCUMENT:
            return _Target(uuid_of(target))
        case HoldKind.SUBJECT:
            return _Target(None, subject_digest(digest_key, target))
        case HoldKind.TENANT:
            if target:
                raise CallerError("A hold on everything names nothing further.", hint="Leave its target out.")
            return _Target(caller.tenant.id)
        case HoldKind.COLLECTION:
            return _Target(None)
