"""Server-sent events."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domicile.web import sse


@given(st.text())
def test_no_text_breaks_out_of_its_event(text: str) -> None:
    """Line breaks and whole fake events in a model's answer stay within the data line."""
    written = sse.event("delta", {"text": text})
    name, data, *rest = written.split(b"\n")
    assert (name, rest) == (b"event: delta", [b"", b""])
    assert msgspec.json.decode(data.removeprefix(b"data: ")) == {"text": text}
