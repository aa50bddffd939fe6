"""An exclusive lock on a cell's data folder, which says who holds it and where that process can be reached."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from domicile.domain.errors import StoreHeld

_NAME = "cell.lock"


class Holder(msgspec.Struct, frozen=True):
    """Who holds the folder. ``url`` is empty for a command that serves nobody."""

    pid: int
    command: str
    url: str
    since: datetime

    @classmethod
    def this_process(cls, command: str, url: str = "") -> Holder:
        return cls(os.getpid(), command, url, datetime.now(UTC))


@dataclass(slots=True)
class FolderLock:
    """Held until ``release`` or the end of the process, however that comes: the kernel drops it."""

    descriptor: int

    @classmethod
    def acquire(cls, folder: Path, holder: Holder) -> FolderLock:
        """Take the lock, or raise ``StoreHeld`` naming the process that has it."""
        descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise _held(folder) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(holder), 0)
        return cls(descriptor)

    def release(self) -> None:
        os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)


def current_holder(folder: Path) -> Holder | None:
    """Who holds the folder now; None if nobody does."""
    try:
        descriptor = os.open(folder / _NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(folder)
    finally:
        os.close(descriptor)
    return None


def _read(folder: Path) -> Holder | None:
    """The holder writes its name just after it took the lock, so for a moment there may be none."""
    try:
        return msgspec.json.decode((folder / _NAME).read_bytes(), type=Holder)
    except msgspec.MsgspecError:
        return None


def _held(folder: Path) -> StoreHeld:
    holder = _read(folder)
    if holder is None:
        return StoreHeld("Another process is just opening this cell.")
    where = f", serving {holder.url}" if holder.url else ""
    return StoreHeld(f"Process {holder.pid} ({holder.command}) has held this cell since {holder.since:%H:%M:%S} UTC{where}.")
