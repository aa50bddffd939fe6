"""After a backup was restored: what it brings back although its key was destroyed since is removed again.

Keys live apart from the data, so nobody can read it; but its rows would be listed, and fail to open. The database remembers up
to which destroyed key nothing in it is under one; a restored one remembers less than the key store knows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from uuid import UUID

import structlog

from domicile.access.gate import Gate
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import NotFound
from domicile.domain.principals import Caller
from domicile.lifecycle.erasure_stores import ErasableStores
from domicile.lifecycle.erasure_tenant import BATCH
from domicile.lifecycle.erasure_work import cell_caller
from domicile.policy.request import OwnedResource, Resource, TenantResource
from domicile.ports.clock import Clock
from domicile.ports.repositories import UnitOfWork

#: Destroyed keys that are looked at in one go.
_KEYS = 500
_log = structlog.get_logger("domicile.lifecycle")


class Restored:
    """Runs before a cell serves. In a database that was not restored there is nothing to do."""

    def __init__(self, *, stores: ErasableStores, gate: Gate, clock: Clock) -> None:
        self._stores = stores
        self._database = stores.database
        self._gate = gate
        self._clock = clock

    async def reconcile(self) -> int:
        """Remove what is there under destroyed keys; gives how many documents, conversations, accounts and tenants."""
        position, removed = await self._known(), 0
        while gone := await self._stores.key_store.destroyed_after(position, _KEYS):
            for tenant_id in {each.tenant_id for each in gone if each.key_id is None}:
                removed += await self._tenant(tenant_id)
            removed += await self._under([each.key_id for each in gone if each.key_id is not None])
            position = gone[-1].position
            async with self._database.writing() as unit:
                await unit.erasing.follow(position)
                await unit.commit()
        if removed:
            _log.warning("what a restored backup brought back of what was erased is removed again", count=removed)
        return removed

    async def _known(self) -> int:
        """Where to begin: at the start, where the key store is an older one than this database has seen."""
        async with self._database.reading() as unit:
            position = await unit.erasing.followed()
        if position and not await self._stores.key_store.destroyed_after(position - 1, 1):
            return 0
        return position

    async def _under(self, key_ids: Collection[UUID]) -> int:
        if not key_ids:
            return 0
        async with self._database.reading() as unit:
            documents = await unit.erasing.documents_under(key_ids)
            conversations = await unit.erasing.conversations_under(key_ids)
            accounts = await unit.erasing.accounts_under(key_ids)
        removed = 0
        for remove, found in ((self._document, documents), (self._conversation, conversations), (self._account, accounts)):
            for tenant_id, id_ in found:
                with suppress(NotFound):  # Another process that has just started was quicker.
                    removed += await remove(tenant_id, id_)
        async with self._database.writing() as unit:
            await unit.erasing.fail_under(key_ids)
            await unit.commit()
        return removed

    async def _document(self, tenant_id: UUID, document_id: UUID) -> bool:
        """Versions of it that wait under another key may still be published."""
        async with self._database.writing() as unit:
            caller = await self._caller(unit, tenant_id)
            attributes = (await unit.documents.get(tenant_id, document_id)).attributes
            event = self._event(caller, attributes, (document_id,))
            if event is None:
                return False
            version = (await unit.documents.delete(tenant_id, document_id)).version
            await unit.audit.append(event)
            await unit.commit()
        await self._stores.index.delete_versions([version.id])
        await self._delete_blobs(f"{tenant_id}/{document_id}/{version.id}/")
        return True

    async def _conversation(self, tenant_id: UUID, conversation_id: UUID) -> bool:
        async with self._database.writing() as unit:
            caller = await self._caller(unit, tenant_id)
            owner = (await unit.conversations.get(tenant_id, conversation_id)).principal_id
            event = self._event(caller, OwnedResource("conversation", conversation_id, tenant_id, owner))
            if event is None:
                return False
            await unit.conversations.delete(tenant_id, conversation_id)
            await unit.audit.append(event)
            await unit.commit()
        return True

    async def _account(self, tenant_id: UUID, principal_id: UUID) -> bool:
        """Nobody signs in with what the backup has brought back of it."""
        async with self._database.writing() as unit:
            caller = await self._caller(unit, tenant_id)
            event = self._event(caller, OwnedResource("account", principal_id, tenant_id, principal_id))
            if event is None:
                return False
            await unit.erasing.remove_account(tenant_id, principal_id)
            await unit.audit.append(event)
            await unit.commit()
        return True

    async def _tenant(self, tenant_id: UUID) -> bool:
        try:
            async with self._database.writing() as unit:
                event = self._event(await self._caller(unit, tenant_id), TenantResource(tenant_id))
                if event is None:
                    return False
                await unit.erasing.close_tenant(tenant_id)
                await unit.commit()
        except NotFound:  # As it should be.
            return False
        while await self._take(tenant_id):
            pass
        async with self._database.writing() as unit:
            await unit.erasing.remove_tenant(tenant_id)
            await unit.audit.append(event)
            await unit.commit()
        await self._delete_blobs(f"{tenant_id}/")
        return True

    async def _take(self, tenant_id: UUID) -> bool:
        async with self._database.writing() as unit:
            taken = await unit.erasing.take(tenant_id, BATCH)
            await unit.commit()
        await self._stores.index.delete_versions([each.id for each in taken])
        return bool(taken)

    async def _delete_blobs(self, prefix: str) -> None:
        names: Sequence[str] = [name async for name in self._stores.blobs.list(prefix)]
        await self._stores.blobs.delete(names)

    async def _caller(self, unit: UnitOfWork, tenant_id: UUID) -> Caller:
        return cell_caller(await unit.tenants.get(tenant_id), self._clock.now(), self._gate.cell_region)

    def _event(self, caller: Caller, resource: Resource, documents: tuple[UUID, ...] = ()) -> AuditEvent | None:
        """The event of its removal; None if policy forbids even that, and then it stays."""
        (decision,) = self._gate.decide_each(caller, Action.ERASURE_RUN, [resource])
        if not decision.allowed:
            return None
        return self._gate.event(
            caller,
            Action.ERASURE_RUN,
            resource,
            Outcome.PERMITTED,
            documents=documents,
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
            reason="restored",
        )
