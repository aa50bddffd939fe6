"""The blob store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from domicile.adapters.blobs.naming import checked_key
from domicile.domain.errors import BlobStoreUnavailable, NotFound, StorageFull


class MemoryBlobStore:
    """Implements the ``BlobStore`` port. Set ``full`` or ``broken`` to see what happens then."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.full = False
        self.broken = False

    async def put(self, key: str, envelope: bytes) -> None:
        self._check()
        if self.full:
            raise StorageFull()
        self.blobs[checked_key(key)] = bytes(envelope)

    async def get(self, key: str) -> bytes:
        self._check()
        try:
            return self.blobs[checked_key(key)]
        except KeyError:
            raise NotFound() from None

    async def delete(self, keys: Sequence[str]) -> None:
        self._check()
        for key in [checked_key(each) for each in keys]:
            self.blobs.pop(key, None)

    async def list(self, prefix: str) -> AsyncIterator[str]:
        self._check()
        folder = prefix.strip("/")
        for key in sorted(self.blobs):
            if not folder or key.startswith(folder + "/"):
                yield key

    async def close(self) -> None: ...

    def _check(self) -> None:
        if self.broken:
            raise BlobStoreUnavailable()
