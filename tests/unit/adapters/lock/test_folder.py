"""The lock on a cell's folder: exclusive, named, and gone with its process."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domicile.adapters.lock.folder import FolderLock, Holder, current_holder
from domicile.domain.errors import StoreHeld

HOLDER = Holder(pid=os.getpid(), command="domicile serve", url="http://127.0.0.1:8000", since=datetime(2026, 1, 2, tzinfo=UTC))

HOLD = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from domicile.adapters.lock.folder import FolderLock, Holder
FolderLock.acquire(Path(sys.argv[1]), Holder(pid=1, command="domicile ingest", url="", since=datetime.now(UTC)))
print("held", flush=True)
time.sleep(60)
"""


def test_a_free_folder_has_no_holder(tmp_path: Path) -> None:
    """Neither before the first lock nor after it was released."""
    assert current_holder(tmp_path) is None
    FolderLock.acquire(tmp_path, HOLDER).release()
    assert current_holder(tmp_path) is None


def test_a_second_process_is_refused_and_told_who_holds_the_store(tmp_path: Path) -> None:
    """The sentence names the process, its command and where it serves."""
    lock = FolderLock.acquire(tmp_path, HOLDER)
    with pytest.raises(StoreHeld, match=rf"Process {os.getpid()} \(domicile serve\).*http://127.0.0.1:8000"):
        FolderLock.acquire(tmp_path, HOLDER)
    assert current_holder(tmp_path) == HOLDER
    lock.release()


def test_a_killed_holder_leaves_the_folder_free(tmp_path: Path) -> None:
    """No stale lock has to be removed by hand after a crash."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StoreHeld):
            FolderLock.acquire(tmp_path, HOLDER)
        process.kill()
    FolderLock.acquire(tmp_path, HOLDER).release()
