"""The events of an answer as they go over the wire, and all of them put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, assert_never
from uuid import UUID

import msgspec
from msgspec import Meta

from domicile.answers.events import AnswerEvent, Citations, Delta, Done, Receipted, Sources
from domicile.answers.receipts import Receipt
from domicile.generation.citations import Citation
from domicile.web import sse
from domicile.web.schemas import PassageOut, passage_out


class CitationOut(msgspec.Struct):
    """``number`` counts from 1 in the order of the passages, and is what ``[n]`` in the text refers to.

    ``start`` and ``end`` are the cited words, in characters of the document's extracted text.
    """

    number: int
    document_id: UUID
    start: int
    end: int


class SourcesOut(msgspec.Struct):
    answer_id: UUID
    conversation_id: UUID | None
    generator: Annotated[str, Meta(description="'extractive', or the model's name")]
    region: Annotated[str, Meta(description="The region that the generator is in")]
    passages: list[PassageOut]
    searched_documents: int
    searched_collections: int
    audit_id: UUID


class DeltaOut(msgspec.Struct):
    text: str


class CitationsOut(msgspec.Struct):
    citations: list[CitationOut]


class ReceiptOut(msgspec.Struct):
    receipt: Receipt


class DoneOut(msgspec.Struct):
    answered: bool
    prompt_tokens: int | None
    completion_tokens: int | None


class AnswerOut(SourcesOut):
    """A whole answer: the events' members together. ``answered`` is false where the evidence was too weak."""

    answered: bool
    text: str
    citations: list[CitationOut]
    receipt: Annotated[Receipt, Meta(description="What it was made from, and where, signed; see docs/receipts.md")]


class Transcript:
    """Collects the events of one answer."""

    def __init__(self) -> None:
        self.sources: Sources | None = None
        self.citations: tuple[Citation, ...] = ()
        self.answered = False
        self.receipt: Receipt | None = None
        self._deltas: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._deltas)

    def add(self, event: AnswerEvent) -> None:
        match event:
            case Sources():
                self.sources = event
            case Delta():
                self._deltas.append(event.text)
            case Citations():
                self.citations = event.items
            case Receipted():
                self.receipt = event.receipt
            case Done():
                self.answered = event.answered
            case _:
                assert_never(event)

    def whole_receipt(self) -> Receipt:
        """The receipt, which every whole answer has."""
        if self.receipt is None:
            raise RuntimeError("a whole answer without its receipt")
        return self.receipt

    async def collect(self, events: AsyncIterator[AnswerEvent]) -> Sources:
        """Take in every event; gives the sources, which always come first."""
        async for event in events:
            self.add(event)
        if self.sources is None:
            raise RuntimeError("an answer without its sources event")
        return self.sources


def answer_out(transcript: Transcript, sources: Sources) -> AnswerOut:
    given = _sources_out(sources)
    return AnswerOut(
        **{name: getattr(given, name) for name in given.__struct_fields__},
        answered=transcript.answered,
        text=transcript.text,
        citations=_citations_out(transcript.citations),
        receipt=transcript.whole_receipt(),
    )


def write_event(event: AnswerEvent) -> bytes:
    """The event for the stream."""
    match event:
        case Sources():
            return sse.event("sources", _sources_out(event))
        case Delta():
            return sse.event("delta", DeltaOut(event.text))
        case Citations():
            return sse.event("citations", CitationsOut(_citations_out(event.items)))
        case Receipted():
            return sse.event("receipt", ReceiptOut(event.receipt))
        case Done():
            return sse.event("done", DoneOut(event.answered, event.prompt_tokens, event.completion_tokens))
        case _:
            assert_never(event)


def _sources_out(sources: Sources) -> SourcesOut:
    return SourcesOut(
        answer_id=sources.answer_id,
        conversation_id=sources.conversation_id,
        generator=sources.generator,
        region=str(sources.region),
        passages=[passage_out(each) for each in sources.passages],
        searched_documents=sources.searched_documents,
        searched_collections=sources.searched_collections,
        audit_id=sources.audit_id,
    )


def _citations_out(citations: tuple[Citation, ...]) -> list[CitationOut]:
    return [CitationOut(each.number, each.passage.attributes.document_id, *cited_span(each)) for each in citations]


def cited_span(citation: Citation) -> tuple[int, int]:
    """The cited words' start and end in the document's extracted text."""
    begin = citation.passage.chunk.start
    return begin + citation.start, begin + citation.end
