"""A temporary file in sealed blocks, under a key that is nowhere but in this process's memory.

It has no name in its folder. What a crash leaves on the disk is envelopes that nobody has the key of.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from uuid import UUID, uuid4

from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import seal, unseal
from domicile.crypto.keys import DataKey
from domicile.domain.errors import DependencyError, StorageFull
from domicile.domain.values import Region

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Bytes of one block, which is held in clear while it is written or read.
BLOCK_BYTES = 1 << 20


class SealedScratchRoom:
    """Implements ``ScratchRoom`` in a folder of the cell's. Raises ``DependencyError`` if it cannot be written to."""

    def __init__(self, folder: Path, region: Region) -> None:
        self._folder = folder
        self._region = region

    def new(self) -> SealedScratch:
        try:
            return SealedScratch(tempfile.TemporaryFile(dir=self._folder, buffering=0), self._region)
        except OSError as error:
            raise _fault(error) from None


class SealedScratch:
    """Implements ``Scratch``."""

    def __init__(self, file: IO[bytes], region: Region) -> None:
        self._file = file
        self._region = region
        self._key = DataKey(uuid4(), os.urandom(32))
        self._pending = bytearray()
        self._places: list[tuple[int, int]] = []
        self._end = 0
        self.size = 0

    def write(self, content: bytes) -> None:
        self._pending += content
        self.size += len(content)
        while len(self._pending) >= BLOCK_BYTES:
            self._seal(bytes(self._pending[:BLOCK_BYTES]))
            del self._pending[:BLOCK_BYTES]

    def reader(self) -> IO[bytes]:
        if self._pending:
            self._seal(bytes(self._pending))
            self._pending.clear()
        return cast("IO[bytes]", io.BufferedReader(_Reader(self), 65_536))

    def close(self) -> None:
        self._file.close()
        self._pending.clear()

    def block(self, number: int) -> bytes:
        """One block in clear; empty after the last."""
        if number >= len(self._places):
            return b""
        start, length = self._places[number]
        try:
            self._file.seek(start)
            envelope = self._file.read(length)
        except OSError as error:
            raise _fault(error) from None
        return unseal(self._key, self._context(number), envelope)

    def _seal(self, content: bytes) -> None:
        envelope = seal(self._key, self._context(len(self._places)), content)
        try:
            written = 0
            while written < len(envelope):
                written += self._file.write(envelope[written:])
        except OSError as error:
            raise _fault(error) from None
        self._places.append((self._end, len(envelope)))
        self._end += len(envelope)

    def _context(self, number: int) -> EncryptionContext:
        return EncryptionContext(UUID(int=0), self._region, self._key.id, str(number), Part.SCRATCH)


class _Reader(io.RawIOBase):
    """The clear bytes of a scratch. Keeps the block that it read last."""

    def __init__(self, scratch: SealedScratch) -> None:
        self._scratch = scratch
        self._position = 0
        self._block: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = (0, self._position, self._scratch.size)[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "before the beginning")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        number, within = divmod(self._position, BLOCK_BYTES)
        if self._block[0] != number:
            self._block = (number, self._scratch.block(number))
        view = memoryview(buffer).cast("B")
        piece = self._block[1][within : within + len(view)]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


def _fault(error: OSError) -> DependencyError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull()
    return DependencyError("The cell's folder cannot be used for temporary files.")
