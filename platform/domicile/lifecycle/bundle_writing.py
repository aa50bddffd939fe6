"""Writing a bundle as it is sent: a ZIP archive that grows at its end and is never held as a whole.

Everything is stored and nothing compressed, so that each file takes as many bytes as it says it has, and no reader can be made
to unpack more than it was sent. The manifest comes last: until it is there, nothing looks like a bundle.
"""

from __future__ import annotations

import hashlib
from typing import IO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from domicile.crypto.signatures import SigningKey
from domicile.lifecycle.manifest import MANIFEST, SIGNATURE, Entry, Manifest, encode, signature

#: Only for the owner of the file, should somebody unpack it with a tool that heeds this.
_MODE = 0o600 << 16


class _Sink:
    """What the archive is written to. It has no ``tell``, so that the archive takes it for a stream."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, content: bytes) -> int:
        self._bytes += content
        return len(content)

    def flush(self) -> None:
        """Whoever writes takes the bytes itself."""

    def take(self) -> bytes:
        taken, self._bytes = bytes(self._bytes), bytearray()
        return taken


class BundleWriter:
    """Each method gives the bytes of the archive that it has made, which follow those given before."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._archive = ZipFile(self._sink, "w", ZIP_STORED)  # type: ignore[call-overload]
        self._entries: list[Entry] = []
        self._growing: tuple[str, str, IO[bytes]] | None = None
        self._size = 0
        self._hash = hashlib.sha256()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What is in it so far, but for manifest and signature."""
        return tuple(self._entries)

    def add(self, path: str, what: str, content: bytes) -> bytes:
        """A whole file."""
        self._archive.writestr(_named(path), content)
        self._entries.append(Entry(path=path, sha256=hashlib.sha256(content).hexdigest(), size=len(content), what=what))
        return self._sink.take()

    def begin(self, path: str, what: str) -> bytes:
        """A file that is written piece by piece: ``append`` to it, then ``end`` it."""
        self._growing = (path, what, self._archive.open(_named(path), "w", force_zip64=True))
        self._size, self._hash = 0, hashlib.sha256()
        return self._sink.take()

    def append(self, content: bytes) -> bytes:
        if self._growing is None:
            raise RuntimeError("no file was begun")
        self._growing[2].write(content)
        self._size += len(content)
        self._hash.update(content)
        return self._sink.take()

    def end(self) -> bytes:
        if self._growing is None:
            raise RuntimeError("no file was begun")
        path, what, file = self._growing
        file.close()
        self._growing = None
        self._entries.append(Entry(path=path, sha256=self._hash.hexdigest(), size=self._size, what=what))
        return self._sink.take()

    def close(self, manifest: Manifest, key: SigningKey) -> bytes:
        """The rest of the archive, with the manifest and the key's signature of it."""
        body = encode(manifest)
        self._archive.writestr(_named(MANIFEST), body)
        self._archive.writestr(_named(SIGNATURE), signature(body, key))
        self._archive.close()
        return self._sink.take()


def _named(path: str) -> ZipInfo:
    """Without a time of its own, so that the same content makes the same bytes."""
    named = ZipInfo(path)
    named.external_attr = _MODE
    return named
