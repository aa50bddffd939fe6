"""The blob store: envelopes only, one per document version and part, inside the cell's region."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol


class BlobStore(Protocol):
    """Keys are ``tenant/document/version/part`` paths. Raises ``BlobStoreUnavailable`` or ``StorageFull``."""

    async def put(self, key: str, envelope: bytes) -> None:
        """Store durably; overwrites the same key, and leaves the old bytes or the new ones, never a mixture."""
        ...

    async def get(self, key: str) -> bytes:
        """The bytes; raises ``NotFound``."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove; absent keys are no error."""
        ...

    def list(self, prefix: str) -> AsyncIterator[str]:
        """Every key below the prefix."""
        ...
