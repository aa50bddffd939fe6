"""What each tenant's part of the index is sealed with, made from its index key and kept for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from domicile.crypto.blind_index import BlindIndex
from domicile.crypto.keys import DataKey
from domicile.crypto.vector_transform import VectorTransform
from domicile.ports.keys import KeyRing, Secret

#: Bytes of matrices that are kept: those of 109 tenants at 384 dimensions. Making one takes about 50 ms.
KEPT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Keyed:
    """One tenant's transforms, and the key that they were made from."""

    key: DataKey
    terms: BlindIndex
    vectors: VectorTransform


class KeyedTenants:
    """Gives a tenant's transforms for as long as the key ring gives its key: the ring decides, this only saves work."""

    def __init__(self, keys: KeyRing, dimensions: int, noise: float) -> None:
        self._keys = keys
        self._dimensions = dimensions
        self._noise = noise
        self._most = max(1, KEPT_BYTES // (4 * dimensions * dimensions))
        self._kept: OrderedDict[UUID, Keyed] = OrderedDict()

    async def of(self, tenant_id: UUID) -> Keyed:
        """Raises as ``KeyRing.secret`` does."""
        key = await self._keys.secret(tenant_id, Secret.INDEX)
        kept = self._kept.get(tenant_id)
        if kept is None or kept.key != key:
            vectors = await asyncio.to_thread(VectorTransform, key, self._dimensions, self._noise)
            kept = self._kept[tenant_id] = Keyed(key, BlindIndex(key), vectors)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(tenant_id)
        return kept

    def clear(self) -> None:
        self._kept.clear()
