"""Reading a bundle that somebody else may have made up.

Obligations, labelled where they are met:

1. What lists the files is bounded before it is read: it is taken into memory as a whole.
2. A file is only what a cell writes: stored as it is, so that it takes as many bytes as it says, and all of them together no
   more than the archive has. Nothing is unpacked.
3. A name is one that a bundle can have, and occurs once. None of them ever becomes a path on a disk.
4. The manifest is in its canonical form, and its signature is the given key's.
5. The archive holds the files of the manifest, each in its size, and no others.
6. Each file has the hash that the manifest says; whoever reads one later reads it through the same check.

Nothing may be taken of a bundle before all of them are met. ``open`` meets (1) to (3), and the form of (4);
the caller owes ``verify`` and ``check``, or says that it does without the former.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from domicile.crypto.signatures import VerifyKey
from domicile.domain.errors import BundleInvalid
from domicile.lifecycle import manifest as manifests
from domicile.lifecycle.contents import is_name
from domicile.lifecycle.manifest import MANIFEST, SIGNATURE, Entry, Manifest

#: Bytes of the archive's list of files; about half a million of them fit in.
MOST_LISTED_BYTES = 64 << 20
#: Bytes of the manifest, which says somewhat more of each.
MOST_MANIFEST_BYTES = 256 << 20
_SIGNATURE_BYTES = 256
_PIECE = 1 << 20
_END, _END_64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_BYTES, _LOCATOR_BYTES, _END_64_BYTES = 22, 20, 56
_ENCRYPTED = 0x1
#: What the archive's reader stumbles over in an archive that is not right.
_FAULTS = (BadZipFile, EOFError, NotImplementedError, struct.error, ValueError, OverflowError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Differences:
    """How an archive differs from its manifest, by path."""

    missing: tuple[str, ...]
    added: tuple[str, ...]
    altered: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.added or self.altered)

    def sentence(self) -> str:
        """Names the first of each."""
        found = (("missing", self.missing), ("not in the manifest", self.added), ("altered", self.altered))
        return "; ".join(f"{len(paths)} {how}, such as {paths[0]}" for how, paths in found if paths)


class Bundle:
    """An archive that has been looked through, so far as not reading its content goes."""

    def __init__(self, archive: ZipFile, files: dict[str, ZipInfo], body: bytes) -> None:
        self._archive = archive
        self._files = files
        self.manifest: Manifest = manifests.decode(body)  # (4)
        self._entries = {each.path: each for each in self.manifest.entries}
        if len(self._entries) < len(self.manifest.entries):
            raise BundleInvalid("The manifest names a file twice.")

    @classmethod
    def open(cls, file: IO[bytes]) -> Bundle:
        """The bundle in a file that can be sought in. Raises ``BundleInvalid``. Blocks: for a thread."""
        with _any_fault():
            size = _bounded(file)  # (1)
            archive = ZipFile(file)
            files: dict[str, ZipInfo] = {}
            for each in archive.infolist():
                _check_file(each, files)  # (2) (3)
                files[each.filename] = each
            if sum(each.file_size for each in files.values()) > size:  # (2)
                raise BundleInvalid("The files of the bundle overlap: they say that they are larger than it is.")
            if absent := [name for name in (MANIFEST, SIGNATURE) if name not in files]:
                raise BundleInvalid(f"There is no {absent[0]} in the bundle.", hint="It was not finished; ask for it again.")
            if files[MANIFEST].file_size > MOST_MANIFEST_BYTES:
                raise BundleInvalid("The manifest is too large to be one.")
            return cls(archive, files, archive.read(files[MANIFEST]))

    def __contains__(self, path: str) -> bool:
        """Whether the manifest lists it."""
        return path in self._entries

    @property
    def paths(self) -> tuple[str, ...]:
        """What the manifest lists, in its order."""
        return tuple(self._entries)

    def verify(self, key: VerifyKey) -> None:
        """Raises ``BundleInvalid`` unless the key signed this manifest."""
        with _any_fault():
            if self._files[SIGNATURE].file_size > _SIGNATURE_BYTES:
                raise BundleInvalid("The signature is not written as one is.")
            manifests.verify(self.manifest, self._archive.read(self._files[SIGNATURE]), key)  # (4)

    def differences(self) -> Differences:
        """Reads every byte."""
        listed = self._entries.keys()
        there = self._files.keys() - {MANIFEST, SIGNATURE}
        altered = [path for path in self._entries if path in there and not self._is_whole(path)]
        return Differences(
            tuple(path for path in self._entries if path not in there),
            tuple(path for path in self._files if path in there and path not in listed),
            tuple(altered),
        )

    def check(self) -> None:
        """Raises ``BundleInvalid``, naming what differs. Reads every byte."""
        if found := self.differences():  # (5) (6)
            raise BundleInvalid(f"The bundle is not what its manifest says: {found.sentence()}.")

    def size(self, path: str) -> int:
        """In bytes, of a file that the manifest lists."""
        return self._entries[path].size

    def read(self, path: str) -> bytes:
        """The whole file, checked again. Raises ``BundleInvalid``, also if there is none."""
        entry, file = self._entries.get(path), self._files.get(path)
        if entry is None or file is None:
            raise BundleInvalid(f"There is no {path} in the bundle.")
        with _any_fault():
            content = self._archive.read(file)
        if not _fits(entry, len(content), hashlib.sha256(content).hexdigest()):  # (6)
            raise BundleInvalid(f"{path} in the bundle is not what its manifest says.")
        return content

    def _is_whole(self, path: str) -> bool:
        entry, file = self._entries[path], self._files[path]
        if file.file_size != entry.size:
            return False
        digest, size = hashlib.sha256(), 0
        try:
            with self._archive.open(file) as opened:
                while piece := opened.read(_PIECE):
                    size += len(piece)
                    digest.update(piece)
        except _FAULTS:
            return False
        return _fits(entry, size, digest.hexdigest())


def _fits(entry: Entry, size: int, sha256: str) -> bool:
    return size == entry.size and sha256 == entry.sha256


def _check_file(file: ZipInfo, before: dict[str, ZipInfo]) -> None:
    if file.filename in before:
        raise BundleInvalid(f"The bundle holds {file.filename} twice.")
    if file.orig_filename != file.filename or not (file.filename in (MANIFEST, SIGNATURE) or is_name(file.filename)):
        raise BundleInvalid("A file in the bundle has a name that no bundle has.")
    if file.header_offset < 0:
        raise BundleInvalid("A file in the bundle lies outside of it.")
    if file.flag_bits & _ENCRYPTED or file.compress_type != ZIP_STORED or file.compress_size != file.file_size:
        raise BundleInvalid("A file in the bundle is compressed or encrypted, and a cell stores them as they are.")


def _bounded(file: IO[bytes]) -> int:
    """The archive's size. Raises ``BundleInvalid`` unless it ends as one does, with a list of files that can be held."""
    size = file.seek(0, 2)
    end = _at(file, size - _END_BYTES, _END_BYTES)
    if not end.startswith(_END) or end[-2:] != b"\0\0":
        raise BundleInvalid("The file is no bundle, or was cut off.")
    (listed,) = struct.unpack_from("<L", end, 12)
    larger = size - _END_BYTES - _LOCATOR_BYTES - _END_64_BYTES
    locator = _at(file, larger + _END_64_BYTES, _LOCATOR_BYTES)
    if locator.startswith(_LOCATOR):
        # Where the larger form of the end (ZIP64) is: directly before, or two readers could look in two places.
        end_64 = _at(file, larger, _END_64_BYTES)
        if not end_64.startswith(_END_64) or struct.unpack_from("<Q", locator, 8) != (larger,):
            raise BundleInvalid("The file is no bundle, or was cut off.")
        (listed,) = struct.unpack_from("<Q", end_64, 40)
    if listed > MOST_LISTED_BYTES:
        raise BundleInvalid("The bundle lists more files than can be taken at once.", limit=MOST_LISTED_BYTES)
    return size


def _at(file: IO[bytes], start: int, count: int) -> bytes:
    if start < 0:
        return b""
    file.seek(start)
    return file.read(count)


@contextmanager
def _any_fault() -> Iterator[None]:
    """Whatever the archive's reader stumbles over is the archive's fault."""
    try:
        yield
    except _FAULTS:
        raise BundleInvalid("The file is no bundle, or was damaged.") from None
