"""Room for what is too large to be held and must not be kept: gone when it is closed, or when the process ends."""

from __future__ import annotations

from typing import IO, Protocol


class Scratch(Protocol):
    """One file. Written from its beginning, then read anywhere. Raises ``StorageFull``. Blocks: for a thread."""

    size: int

    def write(self, content: bytes) -> None: ...

    def reader(self) -> IO[bytes]:
        """What was written, to be sought in; nothing can be written any more. Closed with the scratch."""
        ...

    def close(self) -> None: ...


class ScratchRoom(Protocol):
    def new(self) -> Scratch:
        """An empty one."""
        ...
