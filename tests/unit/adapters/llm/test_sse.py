"""Server-sent events, however the bytes arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.adapters.llm.sse import EventTooLarge, data_of


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(*parts: bytes, limit: int = 1000) -> list[bytes]:
    return [data async for data in data_of(pieces(*parts), limit)]


async def test_events_end_at_an_empty_line() -> None:
    """Comments, other fields and half an event at the end are no events."""
    stream = b": ping\n\nevent: x\ndata: one\nid: 4\n\ndata:two\n\ndata\n\ndata: three"
    assert await read(stream) == [b"one", b"two", b""]


async def test_several_data_lines_are_one_event() -> None:
    """They join with line feeds."""
    assert await read(b"data: a\ndata: b\n\n") == [b"a\nb"]


@given(st.lists(st.text("abc é:{}", max_size=8), max_size=6), st.sampled_from(["\n", "\r\n", "\r"]), st.data())
async def test_the_cuts_of_the_wire_make_no_difference(texts: list[str], newline: str, data: st.DataObject) -> None:
    """The same events come out, wherever the stream is cut into pieces, inside a character or a line end too."""
    stream = "".join(f"data: {text}{newline}{newline}" for text in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parts = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert await read(*parts) == [text.encode() for text in texts]


@pytest.mark.parametrize("stream", [b"data: " + b"x" * 2000, b"data: xxxxxxxxxx\n" * 200, b"x" * 2000])
async def test_an_event_without_end_is_given_up(stream: bytes) -> None:
    """One endless line and endless lines of one event alike."""
    with pytest.raises(EventTooLarge):
        await read(*[stream[start : start + 100] for start in range(0, len(stream), 100)])
