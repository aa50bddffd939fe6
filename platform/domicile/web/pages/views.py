"""Answers and their sources as the templates show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID

from markupsafe import Markup

from domicile.answers.service import Sources
from domicile.domain.documents import Passage
from domicile.web.answer_events import Transcript
from domicile.web.pages.answer_text import answer_html


@dataclass(frozen=True, slots=True)
class SourceView:
    """One source. ``place`` is its headings and page in words; ``href`` opens the passage."""

    number: int
    cited: bool
    href: str
    title: str
    source: str
    place: str
    text: str
    classification: str
    region: str


#: What the script clones and fills.
BLANK_SOURCE = SourceView(0, False, "#", "", "", "", "", "", "")


@dataclass(frozen=True, slots=True)
class ExchangeView:
    """A question with its answer. ``state`` is ``answered``, ``nothing`` (found), ``working`` or empty; ``withdrawn`` says that
    some of its sources may not be shown any more."""

    id: str
    question: str
    answer: Markup
    state: str
    sources: Sequence[SourceView] = field(default=())
    generator: str = ""
    region: str = ""
    searched: str = ""
    withdrawn: bool = False

    @property
    def cited(self) -> list[SourceView]:
        return [each for each in self.sources if each.cited]

    @property
    def considered(self) -> list[SourceView]:
        return [each for each in self.sources if not each.cited]


BLANK_EXCHANGE = ExchangeView(id="blank", question="", answer=Markup(), state="")


def anchor_of(answer_id: UUID) -> str:
    return f"e{answer_id}"


def source_view(
    number: int, passage: Passage, *, cited: bool, came_from: str, words: Mapping[str, str]
) -> SourceView:
    attributes, chunk = passage.attributes, passage.chunk
    page = words["source.page"].format(n=chunk.page) if chunk.page is not None else ""
    place = ", ".join(part for part in (" › ".join(chunk.headings), page) if part)
    query = {"passage": f"{chunk.start}-{chunk.end}", "version": str(passage.version_id)}
    if came_from:
        query["from"] = came_from
    return SourceView(
        number=number,
        cited=cited,
        href=f"/documents/{attributes.document_id}?{urlencode(query)}#passage",
        title=passage.title.title,
        source=passage.title.source,
        place=place,
        text=chunk.text,
        classification=attributes.classification.label,
        region=attributes.region.name,
    )


def searched_in_words(documents: int, collections: int, words: Mapping[str, str]) -> str:
    return words["sources.searched.text"].format(documents=documents, collections=collections)


def answer_with_links(text: str, sources: Sequence[SourceView]) -> Markup:
    return answer_html(text, {each.number: each.href for each in sources})


def exchange_of_transcript(
    question: str, transcript: Transcript, sources: Sources, words: Mapping[str, str]
) -> ExchangeView:
    """The answer that was just given."""
    anchor = anchor_of(sources.answer_id)
    came_from = f"{sources.conversation_id}.{anchor}" if sources.conversation_id else ""
    views = [
        source_view(number, passage, cited=number in transcript.cited, came_from=came_from, words=words)
        for number, passage in enumerate(sources.passages, 1)
    ]
    return ExchangeView(
        id=anchor,
        question=question,
        answer=answer_with_links(transcript.text, views),
        state="answered" if transcript.answered else "nothing",
        sources=views,
        generator=sources.generator,
        region=str(sources.region),
        searched=searched_in_words(sources.searched_documents, sources.searched_collections, words),
    )


def exchange_of_history(conversation_id: UUID, exchange: object, words: Mapping[str, str]) -> ExchangeView:
    raise NotImplementedError
