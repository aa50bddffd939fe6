"""Titles and the order of exchanges."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.people import uid
from tests.fakes.reading import ReadingCell, as_caller

from domicile.answers.history import TITLE_CHARS, ExchangeBody, title_of
from domicile.domain.errors import DecryptionFailed


@given(st.text(max_size=300))
def test_a_title_is_one_short_line(question: str) -> None:
    """Whatever was asked."""
    title = title_of(question)
    assert len(title) <= TITLE_CHARS
    assert title == " ".join(title.split())


def test_a_long_title_ends_after_a_word() -> None:
    """With an ellipsis."""
    title = title_of("word " * 40)
    assert title.endswith("word…")


async def test_answers_that_end_at_once_take_one_place_each(cell: ReadingCell) -> None:
    """No exchange is lost, and none is written over another."""
    conversation = await cell.history.begin(as_caller(), "Question?")
    bodies = [ExchangeBody("q", f"answer {n}", True, True, "scripted", "eu-de") for n in range(5)]
    await asyncio.gather(*[cell.history.add(conversation, uid(f"exchange/{n}"), body) for n, body in enumerate(bodies)])
    assert sorted(each.body.answer for each in await cell.history.read(conversation)) == [f"answer {n}" for n in range(5)]


async def test_a_conversation_without_its_key_stays_closed(cell: ReadingCell) -> None:
    """To writing too."""
    conversation = await cell.history.begin(as_caller(), "Question?")
    await cell.keys.destroy(conversation.tenant_id, [conversation.data_key_id])
    with pytest.raises(DecryptionFailed):
        await cell.history.add(conversation, uid("e"), ExchangeBody("q", "a", True, True, "scripted", "eu-de"))
