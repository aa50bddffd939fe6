"""Password hashes by Argon2id. Cheap parameters, except where the parameters are what is tested."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from argon2.profiles import CHEAPEST

from domicile.adapters.identity.argon2 import Argon2Hasher


@pytest.fixture
async def hasher() -> AsyncIterator[Argon2Hasher]:
    hasher = Argon2Hasher(CHEAPEST)
    yield hasher
    await hasher.close()


async def test_only_the_password_itself_matches(hasher: Argon2Hasher) -> None:
    """The password verifies, nothing else does, and the hash does not hold it."""
    stored = await hasher.hash("correct horse battery")
    assert await hasher.verify(stored, "correct horse battery")
    for other in ("", "correct horse batterz", "correct horse battery ", "CORRECT HORSE BATTERY"):
        assert not await hasher.verify(stored, other)
    assert "horse" not in stored


async def test_the_same_password_hashes_differently_each_time(hasher: Argon2Hasher) -> None:
    """Two people with one password do not have one hash."""
    assert await hasher.hash("correct horse battery") != await hasher.hash("correct horse battery")


async def test_accents_match_however_they_are_composed(hasher: Argon2Hasher) -> None:
    """A password typed on another keyboard, with its accents as separate marks, is the same password."""
    assert await hasher.verify(
        await hasher.hash("ferme l\u2019\u00e9t\u00e9 bient\u00f4t"), "ferme l\u2019e\u0301te\u0301 biento\u0302t"
    )


@pytest.mark.parametrize("password", ["", "\x00", "\ud800", "x" * 100_000])
async def test_nobody_has_no_password(hasher: Argon2Hasher, password: str) -> None:
    """An account that does not exist, or has no password, matches nothing, whatever is typed."""
    assert not await hasher.verify(None, password)


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"])
async def test_a_broken_hash_matches_nothing(hasher: Argon2Hasher, stored: str) -> None:
    """What is not a hash in the database lets nobody in and raises nothing."""
    assert not await hasher.verify(stored, "correct horse battery")


async def test_an_absent_account_costs_what_a_present_one_does() -> None:
    """The stand-in for an absent account has the very parameters of a real hash, so that both take equally long."""
    hasher = Argon2Hasher()
    stored = await hasher.hash("correct horse battery")
    assert hasher._nobody.split("$")[:4] == stored.split("$")[:4]
    assert [len(each) for each in hasher._nobody.split("$")] == [len(each) for each in stored.split("$")]
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    await hasher.close()


async def test_a_flood_of_checks_queues(hasher: Argon2Hasher, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many sign in at once, only two hashes are computed at a time, and none in the event loop's thread."""
    running, most, threads = 0, 0, set()
    lock, matches = threading.Lock(), hasher._matches

    def counted(password_hash: str, password: bytes) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            threads.add(threading.get_ident())
        try:
            return matches(password_hash, password)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(hasher, "_matches", counted)
    await asyncio.gather(*(hasher.verify(None, "x") for _ in range(50)))
    assert most <= 2
    assert threading.get_ident() not in threads
