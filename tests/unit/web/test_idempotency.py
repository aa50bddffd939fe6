"""Writes that are sent twice."""

from __future__ import annotations

from uuid import uuid4

import pytest
from tests.fakes.cell import MemoryCell

from domicile.domain.errors import CallerError, IdempotencyConflict
from domicile.web.authentication import Visitor
from domicile.web.idempotency import IdempotentWrite


async def _write(cell: MemoryCell, login: str, key: str | None, *parts: bytes) -> IdempotentWrite:
    person = cell.people[login]
    return IdempotentWrite(cell.database, Visitor(await cell.caller(login), None, person.key), key, parts)


async def test_what_was_made_is_remembered_for_its_maker_only(cell: MemoryCell) -> None:
    """The same key of somebody else is another key."""
    made = uuid4()
    await (await _write(cell, "mia", "k1", b"body")).made(made, 202)
    assert await (await _write(cell, "mia", "k1", b"body")).made_before() == made
    assert await (await _write(cell, "ada", "k1", b"body")).made_before() is None


async def test_another_request_under_the_same_key_is_a_conflict(cell: MemoryCell) -> None:
    """Also one whose parts only join to the same bytes."""
    await (await _write(cell, "mia", "k2", b"ab", b"c")).made(uuid4(), 202)
    for parts in ((b"other",), (b"a", b"bc"), (b"abc",)):
        with pytest.raises(IdempotencyConflict):
            await (await _write(cell, "mia", "k2", *parts)).made_before()


async def test_without_a_key_nothing_is_remembered(cell: MemoryCell) -> None:
    """Every request makes something of its own."""
    await (await _write(cell, "mia", None, b"x")).made(uuid4(), 202)
    assert await (await _write(cell, "mia", None, b"x")).made_before() is None


async def test_the_digest_cannot_be_matched_against_a_known_file(cell: MemoryCell) -> None:
    """It is keyed with the credential, which the database does not hold."""
    one, other = await _write(cell, "mia", "k3", b"known file"), await _write(cell, "ada", "k3", b"known file")
    assert one._digest != other._digest


@pytest.mark.parametrize("key", ["", "x" * 256, "line\nbreak", "nul\x00"])
async def test_a_key_that_is_none_is_refused(cell: MemoryCell, key: str) -> None:
    """Rather than cut to something that fits."""
    with pytest.raises(CallerError):
        await _write(cell, "mia", key, b"x")


async def test_the_second_of_two_at_the_same_moment_does_not_fail(cell: MemoryCell) -> None:
    """Its work was done as well, and found everything there already."""
    first = uuid4()
    write = await _write(cell, "mia", "k4", b"body")
    await write.made(first, 202)
    await write.made(uuid4(), 202)
    assert await write.made_before() == first
