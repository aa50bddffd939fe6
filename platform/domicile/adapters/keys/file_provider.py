"""The region's root key in a file of this machine.

Two lines of text: ``domicile-root-key 1 <region> <key id>`` and the 32 bytes in base64. The region is named so that a key
file cannot serve a cell of another region by mistake.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
from pathlib import Path
from uuid import UUID, uuid4

from domicile.adapters.keys.private_file import PrivateFile
from domicile.crypto.envelope import unwrap, wrap
from domicile.crypto.keys import KEY_BYTES, DataKey
from domicile.domain.errors import KeyProviderUnavailable, ResidencyViolation
from domicile.domain.values import Region

_MAGIC = "domicile-root-key 1"


class FileKeyProvider:
    """Implements the ``KeyProvider`` port. Never makes a key by itself: a lost key must show, not be replaced."""

    def __init__(self, path: Path, region: Region) -> None:
        self.region = region
        self._file = PrivateFile(path, "root key", "without it nothing stored by this cell can be decrypted.")
        self._root: DataKey | None = None

    def exists(self) -> bool:
        """Whether there is anything at the key file's place, a dangling link included."""
        return self._file.exists()

    def create(self) -> None:
        """Make a new root key, durably, for a cell that holds no data yet. Raises ``ConfigurationError`` if there is one."""
        self._file.create(f"{_MAGIC} {self.region} {uuid4()}\n{base64.b64encode(os.urandom(KEY_BYTES)).decode()}\n")

    def load(self) -> None:
        """Read the key, so that what is wrong with it shows at start-up.

        Raises ``KeyFileExposed``, ``ResidencyViolation`` for another region's key, and ``KeyProviderUnavailable`` if the file
        is missing, unreadable or no key file.
        """
        if self._root is None:
            self._root = self._parse(self._file.read())

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        return wrap(await self._key(), context, key)

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        return unwrap(await self._key(), context, wrapped)

    async def _key(self) -> DataKey:
        if self._root is None:
            await asyncio.to_thread(self.load)
        if self._root is None:
            raise KeyProviderUnavailable()
        return self._root

    def _parse(self, content: bytes) -> DataKey:
        try:
            header, encoded = content.decode("ascii").splitlines()
            magic, region, key_id = header.rsplit(" ", 2)
            key = DataKey(UUID(key_id), base64.b64decode(encoded, validate=True))
        except (ValueError, binascii.Error):
            # Raised outside, so that no exception carries a piece of the key along.
            key = None
        if key is None or magic != _MAGIC:
            raise KeyProviderUnavailable(f"The file at {self._file.path} is not a root key.")
        if region != self.region.name:
            raise ResidencyViolation(
                f"The root key at {self._file.path} belongs to region '{region}', this cell to '{self.region}'."
            )
        return key
