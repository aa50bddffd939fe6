"""Removing what only takes up room: what a crash left in the stores, unreadable already, and replies that are too old.

And finishing what is on order: data keys whose destruction a crash has kept waiting, and those that nothing came to name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domicile.ingestion.stores import Stores
from domicile.ports.repositories import REPLY_LIFETIME, Database

#: Blobs that are deleted in one call, and replies in one transaction, so that no other writer waits long.
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Swept:
    """How many versions lost their points, how many blobs and idempotent replies were removed, and how many keys destroyed."""

    versions: int
    blobs: int
    replies: int
    keys: int


async def sweep(stores: Stores, now: datetime, grace: timedelta) -> Swept:
    """Remove points and blobs of versions older than ``grace`` which nothing names, and replies past their lifetime."""
    replies = await _forget_replies(stores.database, now - REPLY_LIFETIME)
    made_before = now - grace
    keys = await destroy_doomed(stores) + await _destroy_nameless(stores, made_before)
    async with stores.database.reading() as unit:
        live = await unit.documents.live_versions()
    dead = [version for version in await stores.index.version_ids() if version not in live and _made(version) <= made_before]
    await stores.index.delete_versions(dead)
    removed, batch = 0, list[str]()
    async for key in stores.blobs.list(""):
        version_id = _version_of(key)
        if version_id is None or version_id in live or _made(version_id) > made_before:
            continue
        batch.append(key)
        if len(batch) == _BATCH:
            await stores.blobs.delete(batch)
            removed, batch = removed + len(batch), []
    await stores.blobs.delete(batch)
    return Swept(len(dead), removed + len(batch), replies, keys)


async def destroy_doomed(stores: Stores) -> int:
    """Destroy the data keys that are on order; gives how many there still were."""
    destroyed = 0
    while True:
        async with stores.database.reading() as unit:
            doomed = await unit.doomed_keys.all(_BATCH)
        destroyed += await _destroy(stores, doomed)
        async with stores.database.writing() as unit:
            await unit.doomed_keys.remove([key_id for _, key_id in doomed])
            await unit.commit()
        if len(doomed) < _BATCH:
            return destroyed


async def _destroy_nameless(stores: Stores, made_before: datetime) -> int:
    """Keys that were made for something that never came to be: a crash fell between the two."""
    destroyed, after = 0, UUID(int=0)
    while page := await stores.keys.made_before(made_before, after, _BATCH):
        after = page[-1][1]
        async with stores.database.reading() as unit:
            named = await unit.doomed_keys.named([key_id for _, key_id in page])
        destroyed += await _destroy(stores, [each for each in page if each[1] not in named])
    return destroyed


async def _destroy(stores: Stores, keys: Sequence[tuple[UUID, UUID]]) -> int:
    """Data keys by tenant and id; gives how many there were."""
    of_tenant: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for tenant_id, key_id in keys:
        of_tenant[tenant_id].append(key_id)
    return sum([await stores.keys.destroy(tenant_id, theirs) for tenant_id, theirs in of_tenant.items()])


async def _forget_replies(database: Database, added_before: datetime) -> int:
    forgotten = 0
    while True:
        async with database.writing() as unit:
            batch = await unit.idempotency.delete_before(added_before, _BATCH)
            await unit.commit()
        forgotten += batch
        if batch < _BATCH:
            return forgotten


def _made(version_id: UUID) -> datetime:
    """When a version's id was made: the first 48 bits of a UUIDv7 are Unix milliseconds (RFC 9562, section 5.7)."""
    if version_id.version != 7:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromtimestamp((version_id.int >> 80) / 1000, UTC)


def _version_of(key: str) -> UUID | None:
    """The version in ``tenant/document/version/part``; None for any other key, which is not ours to remove."""
    parts = key.split("/")
    try:
        return UUID(parts[2]) if len(parts) == 4 else None
    except ValueError:
        return None
