"""Encrypting chosen documents anew, each under a data key of its own that was not there before, while they are read.

Obligations, labelled where they are met:

1. The new key is named by the document before anything is sealed with it, so that whoever ends the document ends both keys,
   and a crash leaves nothing that cannot be gone on with.
2. Each envelope is replaced whole. Readers open every envelope by the key that it names, so they can read at any moment.
3. The old key is destroyed when nothing is sealed with it any more, and only after those who have just fetched an old envelope
   have had the time to open it.
4. Nothing is released, so this needs no right to read; it is decided and recorded as what it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import key_id_of, seal, unseal
from domicile.crypto.keys import DataKey
from domicile.crypto.parts import blob_key, chunk_id, context_of
from domicile.domain.actions import Action
from domicile.domain.documents import Document
from domicile.domain.errors import CallerError, DecryptionFailed, DependencyError, NotFound
from domicile.domain.principals import Caller
from domicile.policy.request import Decision, TenantResource
from domicile.policy.scope import Field, OneOf, RetrievalScope
from domicile.ports.blobs import BlobStore
from domicile.ports.clock import Clock
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database
from domicile.ports.vector_index import VectorIndex

_Name = TypeVar("_Name")

#: Documents of one request at most; each is decrypted and encrypted whole.
MOST_DOCUMENTS = 32
#: Chunks whose envelopes are replaced in one call of the index.
_CHUNKS = 256
#: Seconds between an envelope's being fetched and its being opened, at most: by far.
GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Reencrypted:
    """``skipped`` have a key that is new enough, or were replaced or removed meanwhile; ``after`` is where to go on."""

    documents: int
    skipped: int
    after: UUID | None


class Reencryption:
    """Raises ``Forbidden`` as the gate does."""

    def __init__(
        self, *, database: Database, keys: KeyRing, blobs: BlobStore, index: VectorIndex, gate: Gate, clock: Clock
    ) -> None:
        self._database = database
        self._keys = keys
        self._blobs = blobs
        self._index = index
        self._gate = gate
        self._clock = clock
        self._destroying: set[asyncio.Task[None]] = set()

    async def collection(
        self, caller: Caller, collection_id: UUID, since: datetime, after: UUID | None, limit: int = MOST_DOCUMENTS
    ) -> Reencrypted:
        """The collection's next documents whose key is older than ``since``; raises ``NotFound`` for no such collection."""
        decision = await self._decided(caller)
        scope = RetrievalScope(
            OneOf(Field.TENANT, frozenset({str(caller.tenant.id)})), decision.policies, decision.bundle_digest
        )
        async with self._database.reading() as unit:
            await unit.collections.get(caller.tenant.id, collection_id)
            found = await unit.documents.list(scope, collection_id=collection_id, after=after, limit=limit)
        done = await self._each(caller, decision, found, since)
        return Reencrypted(done, len(found) - done, found[-1].id if len(found) == limit else None)

    async def documents(self, caller: Caller, ids: Sequence[UUID], since: datetime) -> Reencrypted:
        """Those documents; raises ``NotFound`` if one is not there, and then none is touched."""
        if not 0 < len(ids) <= MOST_DOCUMENTS:
            raise CallerError(f"Name 1 to {MOST_DOCUMENTS} documents.", limit=MOST_DOCUMENTS)
        decision = await self._decided(caller)
        async with self._database.reading() as unit:
            found = await unit.documents.many(ids, caller.tenant.id)
        if found.keys() != set(ids):
            raise NotFound()
        done = await self._each(caller, decision, [found[each] for each in dict.fromkeys(ids)], since)
        return Reencrypted(done, len(found) - done, None)

    async def close(self) -> None:
        """Leave keys that are still to be destroyed to the sweep, which has them on order."""
        for task in self._destroying:
            task.cancel()
        await asyncio.gather(*self._destroying, return_exceptions=True)

    async def _decided(self, caller: Caller) -> Decision:
        return await self._gate.require(caller, Action.KEY_ROTATE, TenantResource(caller.tenant.id))  # (4)

    async def _each(self, caller: Caller, decision: Decision, documents: Sequence[Document], since: datetime) -> int:
        made = await self._keys.made(caller.tenant.id, [document.version.data_key_id for document in documents])
        old = [each for each in documents if each.version.next_key_id or made.get(each.version.data_key_id, since) < since]
        return sum([await self._reencrypt(caller, decision, document) for document in old])

    async def _reencrypt(self, caller: Caller, decision: Decision, document: Document) -> bool:
        key = await self._next_key(document)
        if key is None:
            return False
        try:
            await self._replace_blobs(document, key)  # (2)
            await self._replace_chunks(document, key)  # (2)
            return await self._adopt(caller, decision, document, key)
        except (NotFound, DecryptionFailed):
            if await self._is_current(document):
                raise
            return False  # It was replaced or removed meanwhile, and its keys with it.

    async def _next_key(self, document: Document) -> DataKey | None:
        """The key that the document will have; None if another version has taken its place."""
        tenant_id, next_id = document.attributes.tenant_id, document.version.next_key_id
        if next_id is not None:
            return await self._keys.open(tenant_id, next_id)
        (key,) = await self._keys.create(tenant_id, [self._clock.new_id()])
        async with self._database.writing() as unit:
            if not await unit.documents.set_next_key(tenant_id, document.version.id, key.id):  # (1)
                return None
            await unit.commit()
        return key

    async def _is_current(self, document: Document) -> bool:
        async with self._database.reading() as unit:
            found = await unit.documents.many([document.id], document.attributes.tenant_id)
        return any(each.version.id == document.version.id for each in found.values())

    async def _replace_blobs(self, document: Document, key: DataKey) -> None:
        for part in (Part.ORIGINAL, Part.TEXT):
            name = blob_key(document.attributes, document.version.id, part)
            envelope = await self._blobs.get(name)
            context = context_of(document.attributes, document.version.id, part)
            if sealed := await self._sealed(document, key, {part: (context, envelope)}):
                await self._blobs.put(name, sealed[part])

    async def _replace_chunks(self, document: Document, key: DataKey) -> None:
        version = document.version
        for start in range(0, version.chunk_count, _CHUNKS):
            ordinals = range(start, min(start + _CHUNKS, version.chunk_count))
            hits = await self._index.fetch([chunk_id(version.id, ordinal) for ordinal in ordinals])
            envelopes = {
                hit.chunk_id: (context_of(document.attributes, version.id, Part.CHUNK, hit.ordinal), hit.envelope)
                for hit in hits.values()
            }
            if sealed := await self._sealed(document, key, envelopes):
                await self._index.replace_envelopes(sealed)

    async def _sealed(
        self, document: Document, key: DataKey, envelopes: Mapping[_Name, tuple[EncryptionContext, bytes]]
    ) -> dict[_Name, bytes]:
        """Those that are not sealed with the new key yet, sealed with it."""
        stale = {name: each for name, each in envelopes.items() if key_id_of(each[1]) != key.id}
        ids = frozenset(key_id_of(envelope) for _, envelope in stale.values())
        keys = await self._keys.open_many(document.attributes.tenant_id, ids)

        def all_sealed() -> dict[_Name, bytes]:
            return {
                name: seal(key, context, unseal(keys[key_id_of(envelope)], context, envelope))
                for name, (context, envelope) in stale.items()
            }

        return await asyncio.to_thread(all_sealed) if stale else {}

    async def _adopt(self, caller: Caller, decision: Decision, document: Document, key: DataKey) -> bool:
        version = document.version
        context = context_of(document.attributes, version.id, Part.TITLE)
        old = await self._keys.open(caller.tenant.id, version.data_key_id)
        title = seal(key, context, unseal(old, context, version.title_envelope))
        event = self._gate.event(
            caller,
            Action.KEY_ROTATE,
            document.attributes,
            Outcome.PERMITTED,
            documents=(document.id,),
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
        )
        async with self._database.writing() as unit:
            if not await unit.documents.adopt_key(caller.tenant.id, version.id, key.id, title):
                return False
            await unit.doomed_keys.add(caller.tenant.id, [version.data_key_id])
            await unit.audit.append(event)
            await unit.commit()
        task = asyncio.create_task(self._destroy(caller.tenant.id, version.data_key_id))
        self._destroying.add(task)
        task.add_done_callback(self._destroying.discard)
        return True

    async def _destroy(self, tenant_id: UUID, key_id: UUID) -> None:
        """(3)"""
        await asyncio.sleep(GRACE_SECONDS)
        with suppress(DependencyError):  # It stays on order.
            await self._keys.destroy(tenant_id, [key_id])
