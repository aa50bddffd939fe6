"""The region's root key in a file of this machine.

Two lines of text: ``domicile-root-key 1 <region> <key id>`` and the 32 bytes in base64. The region is named so that a key
file cannot serve a cell of another region by mistake.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import stat
from pathlib import Path
from uuid import UUID, uuid4

from domicile.crypto.envelope import unwrap, wrap
from domicile.crypto.keys import KEY_BYTES, DataKey
from domicile.domain.errors import ConfigurationError, KeyFileExposed, KeyProviderUnavailable, ResidencyViolation
from domicile.domain.values import Region

_MAGIC = "domicile-root-key 1"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MOST_BYTES = 4096  # a key file has about 120


class FileKeyProvider:
    """Implements the ``KeyProvider`` port. Never makes a key by itself: a lost key must show, not be replaced."""

    def __init__(self, path: Path, region: Region) -> None:
        self.region = region
        self._path = path
        self._root: DataKey | None = None

    def exists(self) -> bool:
        """Whether there is anything at the key file's place, a dangling link included."""
        return os.path.lexists(self._path)

    def create(self) -> None:
        """Make a new root key, durably, for a cell that holds no data yet. Raises ``ConfigurationError`` if there is one.

        Written beside its place and linked into it, so that a crash leaves a whole key or none, and two processes one.
        """
        text = f"{_MAGIC} {self.region} {uuid4()}\n{base64.b64encode(os.urandom(KEY_BYTES)).decode()}\n"
        partial = self._path.with_name(f".{self._path.name}.{uuid4()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                _write_synced(partial, text.encode())
                self._link(partial)
            finally:
                partial.unlink(missing_ok=True)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise KeyProviderUnavailable(f"The root key cannot be written to {self._path}.") from error

    def load(self) -> None:
        """Read the key, so that what is wrong with it shows at start-up.

        Raises ``KeyFileExposed``, ``ResidencyViolation`` for another region's key, and ``KeyProviderUnavailable`` if the file
        is missing, unreadable or no key file.
        """
        if self._root is None:
            self._root = self._parse(self._read())

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

    def _link(self, partial: Path) -> None:
        try:
            os.link(partial, self._path)
        except FileExistsError:
            raise ConfigurationError(f"There is a root key at {self._path} already; it was not touched.") from None

    def _read(self) -> bytes:
        """The checks are made on what was opened, not on its name, which could mean another file a moment later."""
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise KeyProviderUnavailable(
                f"There is no root key at {self._path}, and none was made.",
                hint="Restore the key file from its backup: without it nothing stored by this cell can be decrypted.",
            ) from None
        except OSError as error:
            raise KeyProviderUnavailable(f"The root key at {self._path} cannot be read.") from error
        try:
            self._refuse_exposed(os.fstat(handle))
            return os.read(handle, _MOST_BYTES)
        finally:
            os.close(handle)

    def _refuse_exposed(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise KeyProviderUnavailable(f"The root key at {self._path} is not a file.")
        if found.st_mode & _OTHERS or found.st_uid != os.geteuid():
            raise KeyFileExposed(f"The root key at {self._path} can be read or changed by other users, or belongs to one.")
        folder = self._path.parent.stat()
        if folder.st_mode & _OTHERS_WRITE and not folder.st_mode & stat.S_ISVTX:
            # Whoever can write the folder can put another key in this one's place.
            raise KeyFileExposed(
                f"Other users can write to the root key's folder {self._path.parent}.", hint="Run 'chmod 700' on it."
            )

    def _parse(self, content: bytes) -> DataKey:
        try:
            header, encoded = content.decode("ascii").splitlines()
            magic, region, key_id = header.rsplit(" ", 2)
            key = DataKey(UUID(key_id), base64.b64decode(encoded, validate=True))
        except (ValueError, binascii.Error):
            # Raised outside, so that no exception carries a piece of the key along.
            key = None
        if key is None or magic != _MAGIC:
            raise KeyProviderUnavailable(f"The file at {self._path} is not a root key.")
        if region != self.region.name:
            raise ResidencyViolation(
                f"The root key at {self._path} belongs to region '{region}', this cell to '{self.region}'."
            )
        return key


def _write_synced(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
