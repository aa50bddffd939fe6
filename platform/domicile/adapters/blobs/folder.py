"""The blob store in a folder of this machine.

The object-store library's own local store renames but never syncs (seen in its system calls), so that a power cut could
lose an acknowledged document. Here a put returns once the bytes, their name and every new folder above are on the disk.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TypeVar
from uuid import uuid4

from domicile.adapters.blobs.naming import checked_key
from domicile.domain.errors import BlobStoreUnavailable, DomicileError, NotFound, StorageFull

#: Half-written files, on the same file system so that they can be renamed into place. No key can start with a dot.
_INCOMING = ".incoming"
_ABANDONED_SECONDS = 3600  # a half-written file of that age was left by a crash
_THREADS = 4  # they only wait for the disk; a few, so that concurrent syncs share the file system's commits
_LISTED_AT_ONCE = 500
_DURABLE_FOLDERS = 10_000  # remembered at once, some 2 MB
_ATTEMPTS = 5  # a folder may be removed with its last file just as another file is put there

T = TypeVar("T")


class FolderBlobStore:
    """Implements the ``BlobStore`` port. Files have mode 0600, folders 0700.

    Its threads are its own: a disk that hangs must not take name resolution and password checks with it.
    """

    def __init__(self, root: Path) -> None:
        """Makes the folder if need be, and removes what a crash left half-written."""
        self._root = root
        self._incoming = root / _INCOMING
        self._durable: set[Path] = set()
        self._folders = Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blobs")
        try:
            if not root.is_dir():
                root.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync_folder(root.parent)
            self._make_folder(self._incoming)
            self._remove_abandoned()
        except OSError as error:
            raise _translated(error) from error

    async def put(self, key: str, envelope: bytes) -> None:
        path = self._path(key)
        await self._in_thread(lambda: self._put(path, envelope))

    async def get(self, key: str) -> bytes:
        path = self._path(key)
        return await self._in_thread(lambda: self._get(path))

    async def delete(self, keys: Sequence[str]) -> None:
        paths = [self._path(key) for key in keys]
        await self._in_thread(lambda: self._delete(paths))

    async def list(self, prefix: str) -> AsyncIterator[str]:
        trimmed = prefix.strip("/")
        walk = self._walk(self._path(trimmed) if trimmed else self._root)
        while batch := await self._in_thread(lambda: tuple(islice(walk, _LISTED_AT_ONCE))):
            for key in batch:
                yield key

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.to_thread(self._threads.shutdown)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except OSError as error:
            raise _translated(error) from error

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _put(self, path: Path, envelope: bytes) -> None:
        partial = self._incoming / str(uuid4())
        try:
            _write_synced(partial, envelope)
            self._move_into_place(partial, path)
        finally:
            partial.unlink(missing_ok=True)  # there is none once it was moved
        _sync_folder(path.parent)

    def _move_into_place(self, partial: Path, path: Path) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                with self._folders:
                    self._make_folder(path.parent)
                partial.replace(path)
            except FileNotFoundError:
                self._durable.clear()
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    def _make_folder(self, folder: Path) -> None:
        """Make the folder and those above it, each durable in the one above.

        That a folder exists does not say that it is durable: whoever made it may not have synced it yet.
        """
        if folder in self._durable or folder == self._root:
            return
        self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)
        if len(self._durable) >= _DURABLE_FOLDERS:
            self._durable.clear()
        self._durable.add(folder)

    def _get(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            self._refuse_if_gone()
            raise NotFound() from None

    def _delete(self, paths: Sequence[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
        for folder in sorted({path.parent for path in paths}):
            self._remove_if_empty(folder)

    def _remove_if_empty(self, folder: Path) -> None:
        """Remove the folder and those above that became empty, and make that durable."""
        while folder != self._root:
            self._durable.discard(folder)
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                break
            folder = folder.parent
        _sync_folder(folder)

    def _walk(self, folder: Path) -> Iterator[str]:
        self._refuse_if_gone()
        for where, folders, files in os.walk(folder, onerror=_unless_absent):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                yield (Path(where) / name).relative_to(self._root).as_posix()

    def _refuse_if_gone(self) -> None:
        """An unmounted disk must not pass for a store that holds nothing."""
        if not self._incoming.is_dir():
            raise BlobStoreUnavailable()

    def _remove_abandoned(self) -> None:
        """Only old ones: another process of this cell may be writing now."""
        for partial in self._incoming.iterdir():
            if time.time() - partial.stat().st_mtime > _ABANDONED_SECONDS:
                partial.unlink(missing_ok=True)


def _write_synced(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unless_absent(error: OSError) -> None:
    """A folder that goes while it is being listed is no error; one that cannot be read is."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _translated(error: OSError) -> DomicileError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull()
    return BlobStoreUnavailable()
