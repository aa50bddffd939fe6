"""Answers and their sources as the templates show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from markupsafe import Markup

from domicile.answers.events import Sources
from domicile.answers.history import ExchangeView as PastExchange
from domicile.answers.receipts import Receipt
from domicile.domain.documents import Passage
from domicile.web.answer_events import Transcript, cited_span
from domicile.web.cited import CitedSource
from domicile.web.pages.answer_text import answer_html
from domicile.web.pages.quote import quoted_text


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


HEADINGS_JOINT = " \u203a "
#: What the script clones and fills.
BLANK_SOURCE = SourceView(0, False, "#", "", "", "", "", "", "")


@dataclass(frozen=True, slots=True)
class ExchangeView:
    """A question with its answer. ``state`` is ``answered``, ``nothing`` (found), ``cut`` (off) or ``working``.

    ``withdrawn`` says that some of its sources may not be shown any more.
    """

    id: str
    question: str
    answer: Markup
    state: str
    sources: Sequence[SourceView] = field(default=())
    generator: str = ""
    region: str = ""
    searched: str = ""
    withdrawn: bool = False
    receipt: str = ""

    @property
    def cited(self) -> list[SourceView]:
        return [each for each in self.sources if each.cited]

    @property
    def considered(self) -> list[SourceView]:
        return [each for each in self.sources if not each.cited]


BLANK_EXCHANGE = ExchangeView(id="blank", question="", answer=Markup(), state="")


def exchange_of_transcript(question: str, transcript: Transcript, sources: Sources, words: Mapping[str, str]) -> ExchangeView:
    """The answer that was just given."""
    anchor = anchor_of(sources.answer_id)
    spans = {each.number: cited_span(each) for each in transcript.citations}
    views = [
        _source_view(number, passage, spans.get(number), _came_from(sources.conversation_id, anchor), words)
        for number, passage in enumerate(sources.passages, 1)
    ]
    return ExchangeView(
        id=anchor,
        question=question,
        answer=answer_html(transcript.text, {each.number: each.href for each in views}),
        state="answered" if transcript.answered else "nothing",
        sources=views,
        generator=sources.generator,
        region=sources.region.name,
        searched=words["sources.searched.text"].format(
            documents=sources.searched_documents, collections=sources.searched_collections
        ),
        receipt=_receipt_text(transcript.receipt),
    )


def exchange_of_history(
    conversation_id: UUID, exchange: PastExchange, cited: Sequence[CitedSource], words: Mapping[str, str]
) -> ExchangeView:
    """An earlier answer, with those of its sources that may still be opened."""
    body, anchor = exchange.body, anchor_of(exchange.id)
    views = [_cited_view(each, _came_from(conversation_id, anchor), words) for each in cited]
    state = "answered" if body.answered else "nothing"
    return ExchangeView(
        id=anchor,
        question=body.question,
        answer=answer_html(body.answer, {each.number: each.href for each in views}),
        state=state if body.complete else "cut",
        sources=views,
        generator=body.generator,
        region=body.region,
        withdrawn=len(cited) < len(body.citations),
        receipt=_receipt_text(body.receipt),
    )


def _receipt_text(receipt: Receipt | None) -> str:
    """As a file would hold it; empty where there is none."""
    return "" if receipt is None else msgspec.json.format(msgspec.json.encode(receipt), indent=1).decode()


def anchor_of(answer_id: UUID) -> str:
    """The id of the answer's element, which links back to the answer end with."""
    return f"e{answer_id}"


def passage_href(document_id: UUID, version_id: UUID, span: tuple[int, int], came_from: str) -> str:
    """Opens the document at the passage; ``came_from`` lets it lead back."""
    query = {"passage": f"{span[0]}-{span[1]}", "version": str(version_id)}
    if came_from:
        query["from"] = came_from
    return f"/documents/{document_id}?{urlencode(query)}#passage"


def _source_view(
    number: int, passage: Passage, cited: tuple[int, int] | None, came_from: str, words: Mapping[str, str]
) -> SourceView:
    attributes, chunk = passage.attributes, passage.chunk
    span = cited or (chunk.start, chunk.end)
    return SourceView(
        number=number,
        cited=cited is not None,
        href=passage_href(attributes.document_id, passage.version_id, span, came_from),
        title=passage.title.title,
        source=passage.title.source,
        place=_place(passage, words),
        text=quoted_text(_cited_words(passage, span)),
        classification=attributes.classification.label,
        region=attributes.region.name,
    )


def _cited_view(source: CitedSource, came_from: str, words: Mapping[str, str]) -> SourceView:
    citation, document = source.citation, source.document
    return SourceView(
        number=citation.number,
        cited=True,
        href=passage_href(citation.document_id, citation.version_id, (citation.start, citation.end), came_from),
        title=document.title.title,
        source=document.title.source,
        place=_page(citation.page, words),
        text=quoted_text(source.quote),
        classification=document.classification.label,
        region=document.region.name,
    )


def _place(passage: Passage, words: Mapping[str, str]) -> str:
    """Headings and page. A first heading that only repeats the document's title is left out."""
    headings = passage.chunk.headings
    below_title = headings[1:] if headings[:1] == (passage.title.title,) else headings
    # A table's own header row is for the answer, not for finding the place.
    below_title = tuple(each for each in below_title if not each.startswith("| "))
    return ", ".join(part for part in (HEADINGS_JOINT.join(below_title), _page(passage.chunk.page, words)) if part)


def _cited_words(passage: Passage, span: tuple[int, int]) -> str:
    begin = passage.chunk.start
    return passage.chunk.text[span[0] - begin : span[1] - begin] or passage.chunk.text


def _page(page: int | None, words: Mapping[str, str]) -> str:
    return "" if page is None else words["source.page"].format(n=page)


def _came_from(conversation_id: UUID | None, anchor: str) -> str:
    return f"{conversation_id}.{anchor}" if conversation_id else ""
