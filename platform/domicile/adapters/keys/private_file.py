"""Files that hold a key: how one is written so that it is whole or absent, and every state of one that is refused."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from domicile.domain.errors import ConfigurationError, KeyFileExposed, KeyProviderUnavailable

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MOST_BYTES = 65_536  # a key file has about 120, and a root key's as many for each version

#: What tells whether a file is still the one that was read: device, inode, size, and the times of its last changes.
Stamp = tuple[int, int, int, int, int]


class PrivateFile:
    """``what`` names the key in errors, such as ``root key``; ``loss`` says what its loss costs."""

    def __init__(self, path: Path, what: str, loss: str) -> None:
        self.path = path
        self._what = what
        self._loss = loss

    def exists(self) -> bool:
        """Whether there is anything at the file's place, a dangling link included."""
        return os.path.lexists(self.path)

    def create(self, text: str) -> None:
        """Write the text durably, with mode 0600. Raises ``ConfigurationError`` if there is a file already.

        Written beside its place and linked into it, so that a crash leaves a whole key or none, and two processes one.
        """
        with self._written(text) as partial:
            self._link(partial)

    def replace(self, text: str) -> None:
        """Write the text durably in place of what is there, so that a crash leaves all of the one or all of the other.

        To be called within ``changing``, by what has read the file within it, too.
        """
        if self.path.is_symlink():
            # Others of its names would go on meaning the old file.
            raise ConfigurationError(
                f"The {self._what} at {self.path} is a link, which cannot be replaced safely.",
                hint="Name the file itself, or put the new one where the link comes from.",
            )
        with self._written(text) as partial:
            partial.replace(self.path)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One at a time, in all processes: of two that read the same file and add to it, one would undo what the other did."""
        try:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise KeyProviderUnavailable(f"The {self._what}'s folder {self.path.parent} cannot be opened.") from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def stamp(self) -> Stamp:
        """Changes with the file. Raises ``KeyProviderUnavailable`` if it is gone."""
        try:
            found = self.path.stat()
        except OSError:
            raise self._missing() from None
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def read(self) -> bytes:
        """The checks are made on what was opened, not on its name, which could mean another file a moment later.

        Raises ``KeyFileExposed``, and ``KeyProviderUnavailable`` if the file is missing, unreadable or no plain file.
        """
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise self._missing() from None
        except OSError as error:
            raise KeyProviderUnavailable(f"The {self._what} at {self.path} cannot be read.") from error
        try:
            self._refuse_exposed(os.fstat(handle))
            return os.read(handle, _MOST_BYTES)
        finally:
            os.close(handle)

    @contextmanager
    def _written(self, text: str) -> Iterator[Path]:
        """The text in a file beside the key's place, for the block to put there, and the folder synced afterwards."""
        partial = self.path.with_name(f".{self.path.name}.{uuid4()}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                _write_synced(partial, text.encode())
                yield partial
            finally:
                partial.unlink(missing_ok=True)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise KeyProviderUnavailable(f"The {self._what} cannot be written to {self.path}.") from error

    def _missing(self) -> KeyProviderUnavailable:
        return KeyProviderUnavailable(
            f"There is no {self._what} at {self.path}, and none was made.",
            hint=f"Restore the key file from its backup: {self._loss}",
        )

    def _link(self, partial: Path) -> None:
        try:
            os.link(partial, self.path)
        except FileExistsError:
            raise ConfigurationError(
                f"There is a {self._what} at {self.path} already; it was not touched.", hint="Use it, or name another file."
            ) from None

    def _refuse_exposed(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise KeyProviderUnavailable(f"The {self._what} at {self.path} is not a file.")
        if found.st_mode & _OTHERS or found.st_uid != os.geteuid():
            raise KeyFileExposed(f"The {self._what} at {self.path} can be read or changed by other users, or belongs to one.")
        folder = self.path.parent.stat()
        if folder.st_mode & _OTHERS_WRITE and not folder.st_mode & stat.S_ISVTX:
            # Whoever can write the folder can put another key in this one's place.
            raise KeyFileExposed(
                f"Other users can write to the {self._what}'s folder {self.path.parent}.", hint="Run 'chmod 700' on it."
            )


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
