"""What every key provider does: the file's, and the fake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.keys import MemoryKeyProvider

from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.domain.errors import DecryptionFailed
from domicile.domain.values import Region

KEY = bytes(range(32))


@pytest.fixture(params=["file", "fake"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "fake":
        return MemoryKeyProvider(Region("eu-de"))
    provider = FileKeyProvider(tmp_path / "root.key", Region("eu-de"))
    provider.create()
    return provider


async def test_what_was_wrapped_unwraps(provider: Any) -> None:
    """The key comes back under the same context, and the wrapped form does not hold it."""
    wrapped = await provider.wrap(KEY, b"tenant 1")
    assert await provider.unwrap(wrapped, b"tenant 1") == KEY
    assert KEY[:8] not in wrapped


async def test_wrapping_twice_differs(provider: Any) -> None:
    """The same key wrapped twice does not look the same."""
    assert await provider.wrap(KEY, b"tenant 1") != await provider.wrap(KEY, b"tenant 1")


@pytest.mark.parametrize("context", [b"", b"tenant 2", b"tenant 1 "])
async def test_another_context_does_not_unwrap(provider: Any, context: bytes) -> None:
    """A wrapped key that was moved to another tenant's row is useless there."""
    wrapped = await provider.wrap(KEY, b"tenant 1")
    with pytest.raises(DecryptionFailed):
        await provider.unwrap(wrapped, context)


async def test_altered_bytes_do_not_unwrap(provider: Any) -> None:
    """A flipped bit, missing bytes, additional ones or none at all fail alike."""
    wrapped = await provider.wrap(KEY, b"tenant 1")
    flipped = [wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :] for at in range(len(wrapped))]
    for altered in (*flipped, wrapped[:-1], wrapped[1:], wrapped + b"\x00", b""):
        with pytest.raises(DecryptionFailed) as caught:
            await provider.unwrap(altered, b"tenant 1")
        assert str(caught.value) == DecryptionFailed.title


def test_it_says_which_region_it_is_in(provider: Any) -> None:
    """Residency is checked against this at the start."""
    assert provider.region == Region("eu-de")
