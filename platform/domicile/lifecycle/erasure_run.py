"""Carrying erasures out, one after another, from wherever a crash has left them.

Obligations, labelled where they are met:

1. Policy decides it for the cell itself: one that forbids it stops it before anything is touched.
2. How far it has got is durable before the next step begins, and every step can be repeated.
3. It is done only once every store was asked and nothing was found, after everything that any process remembers has run out.
   What is found is removed again.
4. The receipts, the end and its audit event are one transaction.
5. One process carries erasures out at a time. What one waits for does not keep the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import structlog

from domicile.access.gate import Gate
from domicile.audit.encoding import timestamp
from domicile.audit.events import Outcome
from domicile.crypto.erasure_receipt import ErasureReceipt, ErasureSigner, StoreCounts, encode
from domicile.domain.actions import Action
from domicile.domain.erasures import ErasedStore, Erasure, ErasureKind, ErasureState, ObjectKind, Stage, following
from domicile.domain.errors import DependencyError, DomicileError, Forbidden
from domicile.domain.principals import Caller
from domicile.lifecycle.erasure_rows import EraseDocument, RowRemoval
from domicile.lifecycle.erasure_stores import ErasableStores, StoreRemoval
from domicile.lifecycle.erasure_tenant import ROWS, TenantRemoval
from domicile.lifecycle.erasure_work import Refuses, Waits, cell_caller, tenant_or_its_id
from domicile.lifecycle.reencryption import GRACE_SECONDS
from domicile.policy.request import Decision, TenantResource
from domicile.ports.clock import Clock

#: After this, no process takes a destroyed key, a revoked credential or an old policy for good any more: each looks within two
#: seconds.
SETTLE_SECONDS = 3.0
#: How often a process looks for erasures that another one took in, or that had to wait.
POLL_SECONDS = 1.0
#: For how long it is kept what an erasure has removed, by id: answers that are under way ask for it.
NOTES_KEPT = timedelta(days=1)
_WORK = "erasure"
_log = structlog.get_logger("domicile.lifecycle")


class ErasureRun:
    def __init__(
        self,
        *,
        stores: ErasableStores,
        gate: Gate,
        clock: Clock,
        erase_document: EraseDocument,
        signer: ErasureSigner,
        settle_seconds: float = SETTLE_SECONDS,
        fetched_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._database = stores.database
        self._gate = gate
        self._clock = clock
        self._signer = signer
        self._settle_seconds = settle_seconds
        self._rows = RowRemoval(database=stores.database, gate=gate, clock=clock, erase_document=erase_document)
        self._tenants = TenantRemoval(database=stores.database, gate=gate, clock=clock, settle=self._settle)
        self._others = StoreRemoval(stores, fetched_seconds)

    async def keep_running(self) -> None:
        """Until cancelled. What fails is tried again."""
        while True:
            try:
                await self.run_due()
            except DomicileError as error:
                _log.warning("erasures have to wait", error=error.slug)
            await asyncio.sleep(POLL_SECONDS)

    async def forget_notes(self) -> None:
        """What erasures that are done have noted, once no answer can be under way any more that began before them."""
        async with self._database.writing() as unit:
            await unit.erasures.forget(self._clock.now() - NOTES_KEPT)
            await unit.commit()

    async def run_due(self) -> int:
        """Bring every erasure as far as it gets; gives how many are over now. Raises ``DependencyError``."""
        async with self._database.reading() as unit:
            if not await unit.erasures.due():
                return 0
        async with self._database.alone(_WORK) as alone:  # (5)
            if not alone:
                return 0
            async with self._database.reading() as unit:
                due = await unit.erasures.due()
            return sum([await self._advance(each) for each in due])

    async def _advance(self, erasure: Erasure) -> bool:
        """Whether it is over."""
        try:
            async with self._database.reading() as unit:
                tenant = await tenant_or_its_id(unit, erasure.tenant_id, self._gate.cell_region)
            caller = cell_caller(tenant, self._clock.now(), self._gate.cell_region)
            if erasure.state is ErasureState.APPROVED:
                erasure = await self._begin(caller, erasure)
            while not erasure.is_over:
                erasure = await self._step(caller, erasure)
        except Refuses as refusal:
            await self._refuse(caller, erasure, refusal.reason)
        except Waits as waits:
            await self._wait(erasure, waits.reason)
            return False
        except DomicileError as error:  # (5) Whatever is wrong with this one.
            await self._wait(erasure, error.slug)
            return False
        return True

    async def _begin(self, caller: Caller, erasure: Erasure) -> Erasure:
        resource = TenantResource(erasure.tenant_id)
        decision = self._decision(caller, resource)
        if not decision.allowed:  # (1)
            await self._gate.record(
                caller, Action.ERASURE_RUN, resource, Outcome.DENIED, decision, detail=(("erasure", str(erasure.id)),)
            )
            raise Refuses(Forbidden.slug)
        return await self._save(replace(erasure, state=ErasureState.RUNNING))

    async def _step(self, caller: Caller, erasure: Erasure) -> Erasure:
        if erasure.stage is Stage.READ_BACK:
            return await self._read_back(caller, erasure)
        erasure = await self._done(caller, erasure)
        stage = following(erasure.stage, {})
        return await self._save(replace(erasure, stage=stage or Stage.READ_BACK, waiting=None))  # (2)

    async def _done(self, caller: Caller, erasure: Erasure) -> Erasure:
        """The erasure once its stage's work is done."""
        match erasure.stage:
            case Stage.ROWS:
                removal = self._tenants if erasure.kind is ErasureKind.TENANT else self._rows
                return await self._counted(await removal.run(caller, erasure))
            case Stage.COUNT:
                counted = {_before(store): count for store, count in (await self._others.count(erasure)).items()}
                return replace(erasure, counts={**erasure.counts, **counted})
            case Stage.KEYS:
                await self._others.destroy_keys(erasure)
            case Stage.POINTS:
                await self._others.delete_points(erasure)
            case Stage.BLOBS:
                await self._others.delete_blobs(erasure)
            case Stage.READ_BACK:
                pass
        return erasure

    async def _read_back(self, caller: Caller, erasure: Erasure) -> Erasure:
        await self._settle()  # (3)
        found = await self._others.read_back(erasure)
        stage = following(erasure.stage, found)
        if stage is None:
            return await self._finish(caller, erasure, found)
        more = {_before(store): erasure.counts.get(_before(store), 0) + count for store, count in found.items()}
        for store, count in found.items():
            if count:
                _log.warning("an erasure found something that is still there", store=store.value, count=count)
        await self._save(replace(erasure, stage=stage, counts={**erasure.counts, **more}))
        raise Waits(f"found-in-{next(store.value for store, count in found.items() if count)}")

    async def _finish(self, caller: Caller, erasure: Erasure, found: Mapping[ErasedStore, int]) -> Erasure:
        finished = self._clock.now()
        resource = TenantResource(erasure.tenant_id)
        decision = self._decision(caller, resource)
        counted = tuple((kind.value, erasure.counts.get(kind.value, 0)) for kind in ObjectKind)
        event = self._gate.event(
            caller,
            Action.ERASURE_RUN,
            resource,
            Outcome.PERMITTED,
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
            detail=(("erasure", str(erasure.id)), ("done", 1), *counted, ("kept", len(erasure.held))),
        )
        done = replace(erasure, state=ErasureState.DONE, finished_at=finished, waiting=None)
        receipts = [self._receipt(done, _counts(done, store, found[store]), event.id) for store in ErasedStore]
        done = replace(done, receipts=encode(receipts))
        async with self._database.writing() as unit:  # (4)
            await unit.erasures.save(done)
            await unit.audit.append(event)
            await unit.commit()
        return done

    def _receipt(self, done: Erasure, counts: StoreCounts, audit_id: UUID) -> ErasureReceipt:
        return self._signer.sign(
            counts,
            audit_id=audit_id,
            erasure_id=done.id,
            finished_at=timestamp(done.finished_at or self._clock.now()),
            kept=len(done.held),
            kind=done.kind,
            requested_at=timestamp(done.requested_at),
            tenant_id=done.tenant_id,
        )

    async def _refuse(self, caller: Caller, erasure: Erasure, reason: str) -> None:
        resource = TenantResource(erasure.tenant_id)
        refused = replace(erasure, state=ErasureState.REFUSED, waiting=reason, finished_at=self._clock.now())
        event = self._gate.event(
            caller,
            Action.ERASURE_RUN,
            resource,
            Outcome.FAILED,
            bundle_digest=self._decision(caller, resource).bundle_digest,
            reason=reason,
            detail=(("erasure", str(erasure.id)),),
        )
        async with self._database.writing() as unit:
            await unit.erasures.save(refused)
            await unit.audit.append(event)
            await unit.commit()

    async def _wait(self, erasure: Erasure, reason: str) -> None:
        """Note why it does not go on, on what is stored of it: the step that failed may have stored more than it gave."""
        with suppress(DependencyError):  # It may be the database itself.
            async with self._database.writing() as unit:
                stored = await unit.erasures.get(erasure.id)
                if stored.waiting != reason:
                    await unit.erasures.save(replace(stored, waiting=reason))
                    await unit.commit()

    async def _counted(self, erasure: Erasure) -> Erasure:
        async with self._database.reading() as unit:
            noted = await unit.erasures.counted(erasure.id)
        return replace(erasure, counts={**erasure.counts, **{kind.value: count for kind, count in noted.items()}})

    async def _save(self, erasure: Erasure) -> Erasure:
        async with self._database.writing() as unit:
            await unit.erasures.save(erasure)
            await unit.commit()
        return erasure

    def _decision(self, caller: Caller, resource: TenantResource) -> Decision:
        (decision,) = self._gate.decide_each(caller, Action.ERASURE_RUN, [resource])
        return decision

    async def _settle(self) -> None:
        await asyncio.sleep(self._settle_seconds)


def _before(store: ErasedStore) -> str:
    return f"before:{store.value}"


def _counts(erasure: Erasure, store: ErasedStore, found: int) -> StoreCounts:
    """Of the database the things whose rows went, and a tenant's other rows."""
    if store is ErasedStore.DATABASE:
        removed = sum(erasure.counts.get(name, 0) for name in (ROWS, *ObjectKind))
    else:
        removed = erasure.counts.get(_before(store), 0)
    return StoreCounts(store, removed + found, removed, found)
