"""Blobs in a folder: durability, permissions and failures of the disk."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domicile.adapters.blobs import folder as module
from domicile.adapters.blobs.folder import FolderBlobStore
from domicile.domain.errors import BlobStoreUnavailable, NotFound, StorageFull

KEY = "tenant/document/version/original"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FolderBlobStore]:
    store = FolderBlobStore(tmp_path / "blobs")
    yield store
    await store.close()


def below(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


async def test_a_put_is_durable_before_it_returns(store: FolderBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are synced before they get their name, and every folder that gained a name is synced afterwards."""
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        steps.append("sync " + Path(f"/proc/self/fd/{handle}").resolve().name)
        sync(handle)

    def replaced(self: Path, target: Path) -> Path:
        steps.append("rename " + self.name)
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    await store.put(KEY, b"x")
    partial = steps[0].removeprefix("sync ")
    assert steps == [f"sync {partial}", "sync blobs", "sync tenant", "sync document", f"rename {partial}", "sync version"]


async def test_files_are_the_owners_alone(store: FolderBlobStore, tmp_path: Path) -> None:
    """Files have mode 0600 and folders 0700."""
    await store.put(KEY, b"x")
    assert {stat.S_IMODE(path.stat().st_mode) for path in below(tmp_path) if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in below(tmp_path) if path.is_file()} == {0o600}


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, BlobStoreUnavailable)],
)
async def test_a_failing_disk_changes_nothing(
    store: FolderBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[Exception]
) -> None:
    """A full or failing disk is a clear error; the old bytes stay and no half-written file is left."""
    await store.put(KEY, b"old")

    def failing(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(expected):
        await store.put(KEY, b"new")
    monkeypatch.undo()
    assert await store.get(KEY) == b"old"
    assert [path.name for path in below(tmp_path) if path.is_file()] == ["original"]


async def test_a_store_that_is_gone_is_not_an_empty_one(store: FolderBlobStore, tmp_path: Path) -> None:
    """When the whole folder vanishes (an unmounted disk), reads and writes say so instead of finding nothing."""
    await store.put(KEY, b"x")
    (tmp_path / "blobs").rename(tmp_path / "unmounted")
    with pytest.raises(BlobStoreUnavailable):
        await store.get(KEY)
    with pytest.raises(BlobStoreUnavailable):
        await store.put(KEY, b"y")
    with pytest.raises(BlobStoreUnavailable):
        _ = [key async for key in store.list("")]


async def test_half_written_files_are_neither_listed_nor_kept(tmp_path: Path) -> None:
    """What a crash left half-written is invisible, and goes at the next start once no writer can still be at it."""
    store = FolderBlobStore(tmp_path)
    old, new = tmp_path / ".incoming" / "old", tmp_path / ".incoming" / "new"
    for path in (old, new):
        path.write_bytes(b"half")
    long_ago = time.time() - 7200
    os.utime(old, (long_ago, long_ago))
    await store.put(KEY, b"x")
    assert [key async for key in store.list("")] == [KEY]
    await store.close()
    await FolderBlobStore(tmp_path).close()
    assert (old.exists(), new.exists()) == (False, True)


async def test_deleting_the_last_blob_removes_its_folders(store: FolderBlobStore, tmp_path: Path) -> None:
    """Empty folders go too: their names are ids, and an erased document leaves none behind."""
    await store.put(KEY, b"x")
    await store.put("tenant/other/version/original", b"y")
    await store.delete([KEY])
    assert sorted(path.name for path in (tmp_path / "blobs" / "tenant").iterdir()) == ["other"]


async def test_a_folder_that_vanishes_under_a_put_is_made_again(store: FolderBlobStore, tmp_path: Path) -> None:
    """Another process may remove a folder with its last file while this one believes it is there."""
    await store.put(KEY, b"x")
    other = FolderBlobStore(tmp_path / "blobs")
    await other.delete([KEY])
    await other.close()
    await store.put(KEY, b"again")
    assert await store.get(KEY) == b"again"


async def test_a_place_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    """A file in the folder's place is an error at the start, not at the first document."""
    (tmp_path / "blobs").write_text("a file")
    with pytest.raises(BlobStoreUnavailable):
        FolderBlobStore(tmp_path / "blobs")


async def test_listing_comes_in_batches(store: FolderBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """More keys than one batch holds are all listed, once each."""
    monkeypatch.setattr(module, "_LISTED_AT_ONCE", 3)
    for n in range(10):
        await store.put(f"t/d/v{n}/text", b"x")
    assert sorted([key async for key in store.list("t")]) == [f"t/d/v{n}/text" for n in range(10)]


async def test_a_folder_is_no_blob(store: FolderBlobStore) -> None:
    """Asking for a folder's name finds nothing."""
    await store.put(KEY, b"x")
    with pytest.raises(NotFound):
        await store.get("tenant/document")
