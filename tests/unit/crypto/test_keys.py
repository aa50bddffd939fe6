"""Data keys in memory."""

from __future__ import annotations

from uuid import UUID

import pytest

from domicile.crypto.keys import DataKey, WipedBytes

SECRET = b"never shown, not even in part!!!"


def test_a_key_does_not_show_itself() -> None:
    """Neither the key's representation nor its derived keys' holds its bytes."""
    key = DataKey(UUID(int=1), SECRET)
    shown = repr(key) + str(key) + repr(key.sealing()) + f"{key}"
    assert "never" not in shown
    assert SECRET.hex() not in shown
    assert "never" not in repr(key)


@pytest.mark.parametrize("secret", [b"", b"short", bytes(31), bytes(33)])
def test_a_key_has_32_bytes(secret: bytes) -> None:
    """A secret of any other length is refused, without being shown."""
    with pytest.raises(ValueError, match=r"^a data key has 32 bytes$"):
        DataKey(UUID(int=1), secret)


def test_derived_keys_are_independent() -> None:
    """Another label, another key id or another secret gives another key, and none is the secret itself."""
    key = DataKey(UUID(int=1), SECRET)
    derived = {
        key.derive(b"one"),
        key.derive(b"two"),
        DataKey(UUID(int=2), SECRET).derive(b"one"),
        DataKey(UUID(int=1), bytes(32)).derive(b"one"),
        key.sealing().header[18:],
        SECRET,
    }
    assert len(derived) == 6
    assert {len(each) for each in derived} == {32}


def test_a_key_is_wiped_when_the_last_holder_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes that it kept, and those derived from them; not before, however often it is handed around."""
    wiped: list[bytes] = []
    wipe = WipedBytes.__del__

    def watched(self: WipedBytes) -> None:
        wipe(self)
        wiped.append(bytes(self))

    monkeypatch.setattr(WipedBytes, "__del__", watched)
    key = DataKey(UUID(int=1), SECRET)
    key.sealing()
    wiped.clear()  # What was made and let go in between.
    held = [key]
    del key
    assert wiped == []
    held.clear()
    assert wiped == [bytes(32), bytes(32)]


def test_the_sealing_key_is_derived_once() -> None:
    """Sealing many chunks under one key derives once; two objects of one key derive alike."""
    key = DataKey(UUID(int=1), SECRET)
    assert key.sealing() is key.sealing()
    assert key.sealing().header[18:] == DataKey(UUID(int=1), SECRET).sealing().header[18:]
