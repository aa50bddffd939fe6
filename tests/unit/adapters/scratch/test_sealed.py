"""Temporary files that hold nothing readable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.adapters.scratch import sealed
from domicile.adapters.scratch.sealed import BLOCK_BYTES, SealedScratch, SealedScratchRoom
from domicile.domain.errors import DecryptionFailed, DependencyError, StorageFull
from domicile.domain.values import Region

HOME = Region("eu-de")


@pytest.fixture
def room(tmp_path: Path) -> SealedScratchRoom:
    return SealedScratchRoom(tmp_path, HOME)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=90), max_size=12), st.lists(st.tuples(st.integers(0, 900), st.integers(0, 300)), max_size=8))
def test_what_was_written_is_read_from_anywhere(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], reads: list[tuple[int, int]]
) -> None:
    """As from the bytes themselves, across the borders of blocks."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sealed, "BLOCK_BYTES", 64)
        scratch = SealedScratchRoom(tmp_path_factory.mktemp("scratch"), HOME).new()
        for piece in pieces:
            scratch.write(piece)
        whole, reader = b"".join(pieces), scratch.reader()
        assert scratch.size == len(whole) == reader.seek(0, os.SEEK_END)
        for start, count in reads:
            reader.seek(start)
            assert reader.read(count) == whole[start : start + count]
        scratch.close()


def test_nothing_readable_is_on_the_disk_and_nothing_stays(room: SealedScratchRoom, tmp_path: Path) -> None:
    """No name in the folder, no word in the file."""
    scratch = room.new()
    scratch.write(b"quokkaberry" * (BLOCK_BYTES // 5))
    assert list(tmp_path.iterdir()) == []
    scratch._file.seek(0)
    stored = scratch._file.read()
    assert len(stored) > BLOCK_BYTES
    assert b"quokka" not in stored
    scratch.close()
    assert list(tmp_path.iterdir()) == []


def test_blocks_that_change_places_do_not_open(room: SealedScratchRoom) -> None:
    """Each is sealed for where it is."""
    scratch = room.new()
    scratch.write(bytes(3 * BLOCK_BYTES))
    scratch._places.reverse()
    with pytest.raises(DecryptionFailed):
        scratch.reader().read(10)
    scratch.close()


def test_a_full_disk_is_told_as_one() -> None:
    """The operator frees space, and the caller tries again."""
    scratch = SealedScratch(Path("/dev/full").open("r+b", buffering=0), HOME)  # noqa: SIM115 - the scratch closes it
    with pytest.raises(StorageFull):
        scratch.write(bytes(BLOCK_BYTES))
    scratch.close()


def test_a_folder_that_is_gone_is_the_cells_fault(tmp_path: Path) -> None:
    """And not the caller's."""
    with pytest.raises(DependencyError):
        SealedScratchRoom(tmp_path / "gone", HOME).new()
