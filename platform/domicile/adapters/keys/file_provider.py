"""A root key in a file of this machine.

Two lines of text for each of its versions, the newest last: ``domicile-root-key 1 <region> <version's id>`` and the 32 bytes
in base64. The region is named so that a key file cannot serve a cell of another region by mistake.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from domicile.adapters.keys.binding import require_context
from domicile.adapters.keys.private_file import PrivateFile, Stamp
from domicile.crypto.envelope import key_id_of, unwrap, wrap
from domicile.crypto.keys import KEY_BYTES, DataKey
from domicile.domain.errors import ConfigurationError, DecryptionFailed, KeyProviderUnavailable, ResidencyViolation
from domicile.domain.values import Region
from domicile.ports.keys import ROOT_PROVIDER

_MAGIC = "domicile-root-key 1"
#: About 25 kB of text, which is well below what is read of a key file.
_MOST_VERSIONS = 200

Versions = tuple[DataKey, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    """What the file held when it was this one; the newest version last, and never none."""

    stamp: Stamp
    versions: Versions

    @property
    def newest(self) -> DataKey:
        return self.versions[-1]


class FileKeyProvider:
    """Implements the ``KeyProvider`` port. Never makes a key by itself: a lost key must show, not be replaced.

    Looks at every use whether the file is still the one that was read, so that a version that another process has added is
    used at once, and a file that was taken away serves nobody any more.
    """

    def __init__(self, path: Path, region: Region, name: str = ROOT_PROVIDER) -> None:
        self.region = region
        self.name = name
        self.path = path
        self._file = PrivateFile(path, "root key", "without it nothing wrapped by it can be decrypted.")
        self._held: _Held | None = None

    def exists(self) -> bool:
        """Whether there is anything at the key file's place, a dangling link included."""
        return self._file.exists()

    def create(self) -> None:
        """Make a new root key, durably, for a cell that holds no data yet. Raises ``ConfigurationError`` if there is one."""
        self._file.create(self._text((_new_version(),)))

    def load(self) -> None:
        """Read the key, so that what is wrong with it shows at start-up.

        Raises ``KeyFileExposed``, ``ResidencyViolation`` for another region's key, and ``KeyProviderUnavailable`` if the file
        is missing, unreadable or no key file.
        """
        self._read()

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        require_context(context)
        return wrap((await self._now()).newest, context, key)

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        held, version = await self._now(), key_id_of(wrapped)
        for each in held.versions:
            if each.id == version:
                return unwrap(each, context, wrapped)
        raise DecryptionFailed()

    async def is_current(self, wrapped: bytes) -> bool:
        return key_id_of(wrapped) == (await self._now()).newest.id

    async def rotate(self) -> None:
        await asyncio.to_thread(self._rotate)

    async def ping(self) -> None:
        await self._now()

    async def close(self) -> None:
        self._held = None

    async def _now(self) -> _Held:
        held = self._held
        if held is None or held.stamp != self._file.stamp():
            held = await asyncio.to_thread(self._read)
        return held

    def _read(self) -> _Held:
        # In this order: a file that changes in between is read once more at the next use.
        stamp = self._file.stamp()
        self._held = _Held(stamp, self._parse(self._file.read()))
        return self._held

    def _rotate(self) -> None:
        with self._file.changing():
            versions = self._parse(self._file.read())
            if len(versions) >= _MOST_VERSIONS:
                raise ConfigurationError(
                    f"The root key has {_MOST_VERSIONS} versions already, and nothing was changed.",
                    hint="Wrap all by the newest ('domicile key renew'), then remove the file's first pairs of lines.",
                )
            self._file.replace(self._text((*versions, _new_version())))
        self._read()

    def _text(self, versions: Versions) -> str:
        return "".join(f"{_MAGIC} {self.region} {each.id}\n{base64.b64encode(each.secret).decode()}\n" for each in versions)

    def _parse(self, content: bytes) -> Versions:
        try:
            lines = content.decode("ascii").splitlines()
            headers = [line.rsplit(" ", 2) for line in lines[::2]]
            versions = tuple(
                DataKey(UUID(key_id), base64.b64decode(encoded, validate=True))
                for (_, _, key_id), encoded in zip(headers, lines[1::2], strict=True)
            )
        except (ValueError, binascii.Error):
            # Raised outside, so that no exception carries a piece of the key along.
            headers, versions = [], ()
        ids = {each.id for each in versions}
        if not versions or len(ids) < len(versions) or any(magic != _MAGIC for magic, _, _ in headers):
            raise KeyProviderUnavailable(f"The file at {self._file.path} is not a root key.")
        for _, region, _ in headers:
            if region != self.region.name:
                raise ResidencyViolation(
                    f"The root key at {self._file.path} belongs to region '{region}', not to '{self.region}'.",
                    hint="Use the key file of this region.",
                )
        return versions


def _new_version() -> DataKey:
    return DataKey(uuid4(), os.urandom(KEY_BYTES))
