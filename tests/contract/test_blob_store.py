"""What every blob store does: the folder, the object store and the fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore
from tests.fakes.blobs import MemoryBlobStore

from domicile.adapters.blobs.folder import FolderBlobStore
from domicile.adapters.blobs.object_store import ObjectBlobStore
from domicile.domain.errors import NotFound


@pytest.fixture(params=["folder", "object-store", "fake"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "folder":
        folder = FolderBlobStore(tmp_path / "blobs")
        yield folder
        await folder.close()
    elif request.param == "object-store":
        yield ObjectBlobStore(MemoryStore())
    else:
        yield MemoryBlobStore()


async def keys(store: Any, prefix: str) -> list[str]:
    return sorted([key async for key in store.list(prefix)])


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 4096])
async def test_what_was_put_is_got(store: Any, content: bytes) -> None:
    """The same bytes come back, none and a megabyte included."""
    await store.put("t/d/v/original", content)
    assert await store.get("t/d/v/original") == content


async def test_putting_again_replaces(store: Any) -> None:
    """The later bytes replace the earlier ones, also when they are fewer."""
    await store.put("t/d/v/text", b"the first, longer bytes")
    await store.put("t/d/v/text", b"second")
    assert await store.get("t/d/v/text") == b"second"
    assert await keys(store, "") == ["t/d/v/text"]


@pytest.mark.parametrize("key", ["t/d/v/text", "t/d/v", "t", "t/d/v/original/more", "x"])
async def test_what_is_not_there_is_not_found(store: Any, key: str) -> None:
    """A key that holds nothing is not found, be it beside, above or below one that does."""
    await store.put("t/d/v/original", b"x")
    with pytest.raises(NotFound):
        await store.get(key)


async def test_deleting(store: Any) -> None:
    """Only the keys given go; ones that are absent are no error, wherever they stand among the others."""
    for key in ("t/d/v/original", "t/d/v/text", "t/d/w/original"):
        await store.put(key, b"x")
    await store.delete(["t/d/v/nothing", "t/d/v/original", "u/d/v/nothing", "t/d/v/text", "t/d/v/text"])
    assert await keys(store, "") == ["t/d/w/original"]
    await store.delete([])
    await store.delete(["t/d/w/original"])
    assert await keys(store, "") == []


async def test_a_deleted_key_can_be_put_again(store: Any) -> None:
    """Deleting leaves no trace that a later put would trip over."""
    for _ in range(3):
        await store.put("t/d/v/original", b"x")
        await store.delete(["t/d/v/original"])
    await store.put("t/d/v/original", b"again")
    assert await store.get("t/d/v/original") == b"again"


async def test_listing_goes_by_whole_names(store: Any) -> None:
    """A prefix names a folder: one whose name merely begins like it is not below it."""
    for key in ("t/d/v/original", "t/d/v/text", "t/dd/v/original", "tt/d/v/original"):
        await store.put(key, b"x")
    assert await keys(store, "t/d") == ["t/d/v/original", "t/d/v/text"]
    assert await keys(store, "t/d/") == await keys(store, "t/d")
    assert await keys(store, "t") == ["t/d/v/original", "t/d/v/text", "t/dd/v/original"]
    assert await keys(store, "nobody") == []
    assert len(await keys(store, "")) == 4


@pytest.mark.parametrize(
    "key", ["", "/", "../x", "t/../../x", "/etc/passwd", "t//x", "t/.hidden", ".incoming/x", "t/x\x00", "t/./x"]
)
async def test_a_key_never_leads_out_of_the_store(store: Any, key: str) -> None:
    """Whatever is no plain path is refused by every operation, and nothing is written or removed."""
    await store.put("t/d/v/original", b"x")
    with pytest.raises(ValueError, match="blob key"):
        await store.put(key, b"y")
    with pytest.raises(ValueError, match="blob key"):
        await store.get(key)
    with pytest.raises(ValueError, match="blob key"):
        await store.delete(["t/d/v/original", key])
    assert await keys(store, "") == ["t/d/v/original"]


async def test_many_at_once(store: Any) -> None:
    """Puts, replacements and deletions of neighbours at the same time do not disturb one another."""

    async def live(n: int) -> None:
        mine, passing = f"t/d{n % 3}/v{n}/original", f"t/d{n % 3}/w{n}/original"
        await store.put(passing, b"passing")
        await store.put(mine, b"%d" % n)
        await store.delete([passing])

    await asyncio.gather(*(live(n) for n in range(40)))
    assert await keys(store, "") == sorted(f"t/d{n % 3}/v{n}/original" for n in range(40))
    assert await store.get("t/d1/v1/original") == b"1"
