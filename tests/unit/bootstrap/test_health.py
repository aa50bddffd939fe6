"""Readiness: each component by name, and never an exception."""

from __future__ import annotations

import asyncio

import pytest

from domicile.bootstrap import health
from domicile.bootstrap.health import Health
from domicile.domain.errors import DatabaseUnavailable, StorageFull


async def fine() -> None:
    """A component that can serve."""


def failing(error: Exception):
    async def check() -> None:
        raise error

    return check


async def test_each_component_says_how_it_is() -> None:
    """One that fails is named with the slug of what is wrong, and hides no other."""
    checks = {"database": failing(DatabaseUnavailable()), "keys": fine, "index": failing(StorageFull())}
    assert await Health(checks)() == {"database": "database-unavailable", "keys": "ok", "index": "storage-full"}


async def test_a_component_that_does_not_answer_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe must end, whatever hangs."""
    monkeypatch.setattr(health, "_CHECK_SECONDS", 0.01)
    assert await Health({"model": asyncio.Event().wait, "keys": fine})() == {"model": "dependency-unavailable", "keys": "ok"}


async def test_components_are_asked_at_the_same_time() -> None:
    """Two that wait for one another both answer."""
    first, second = asyncio.Event(), asyncio.Event()

    async def one() -> None:
        first.set()
        await second.wait()

    async def two() -> None:
        second.set()
        await first.wait()

    assert await Health({"one": one, "two": two})() == {"one": "ok", "two": "ok"}


async def test_a_mistake_of_ours_is_not_called_ready() -> None:
    """Only errors that are foreseen become a state; another one is for the outermost loop to report."""
    with pytest.raises(RuntimeError):
        await Health({"keys": failing(RuntimeError())})()
