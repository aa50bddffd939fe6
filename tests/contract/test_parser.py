"""What every parser does, in a child process or not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.fakes.parser import PlainParser

from domicile.adapters.parsers.confined import ConfinedParser
from domicile.domain.errors import DocumentEmpty
from domicile.ports.parser import Parser


@pytest.fixture(params=["confined", "fake"])
async def parser(request: pytest.FixtureRequest) -> AsyncIterator[Parser]:
    """Each parser in turn."""
    made: Parser = ConfinedParser(processes=1) if request.param == "confined" else PlainParser()
    yield made
    await made.close()


async def test_markdown_gives_text_title_type_and_language(parser: Parser) -> None:
    """The front matter's title, and the text without it."""
    content = b"---\ntitle: Leave policy\n---\n\n# Leave\n\nYou are entitled to thirty days of leave in the year.\n"
    parsed = await parser.parse(content, "policies/leave.md")
    assert (parsed.title, parsed.media_type, parsed.language) == ("Leave policy", "text/markdown", "en")
    assert parsed.text == "# Leave\n\nYou are entitled to thirty days of leave in the year.\n"
    assert parsed.pages == ()


async def test_what_no_store_can_hold_is_dropped(parser: Parser) -> None:
    """Characters that came as UTF-16 NUL, for instance."""
    parsed = await parser.parse("a\x00b".encode("utf-16"), "a.txt")
    assert parsed.text == "ab"


async def test_an_empty_file_is_refused(parser: Parser) -> None:
    """And the parser goes on working."""
    with pytest.raises(DocumentEmpty):
        await parser.parse(b" \n", "a.txt")
    assert (await parser.parse(b"text", "b.txt")).text == "text"
