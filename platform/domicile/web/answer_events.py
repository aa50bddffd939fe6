"""The events of an answer as they go over the wire, and all of them put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, assert_never
from uuid import UUID

import msgspec
from msgspec import Meta

from domicile.answers.service import AnswerEvent, Citations, Delta, Done, Sources
from domicile.domain.documents import Passage
from domicile.web import sse
from domicile.web.schemas import PassageOut, passage_out


class CitationOut(msgspec.Struct):
    """``number`` counts from 1 in the order of the passages, and is what ``[n]`` in the text refers to."""

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


class DeltaOut(msgspec.Struct):
    text: str


class CitationsOut(msgspec.Struct):
    citations: list[CitationOut]


class DoneOut(msgspec.Struct):
    answered: bool


class AnswerOut(SourcesOut):
    """A whole answer: the events' members together. ``answered`` is false where the evidence was too weak."""

    answered: bool = False
    text: str = ""
    citations: list[CitationOut] = msgspec.field(default_factory=list)


class Transcript:
    """Collects the events of one answer."""

    def __init__(self) -> None:
        self.sources: Sources | None = None
        self.cited: tuple[int, ...] = ()
        self.answered = False
        self._deltas: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._deltas)

    @property
    def passages(self) -> tuple[Passage, ...]:
        return tuple(self.sources.passages) if self.sources else ()

    def add(self, event: AnswerEvent) -> None:
        match event:
            case Sources():
                self.sources = event
            case Delta():
                self._deltas.append(event.text)
            case Citations():
                self.cited = tuple(each.number for each in event.items)
            case Done():
                self.answered = event.answered
            case _:
                assert_never(event)

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
        citations=_citations_out(transcript.cited, transcript.passages),
    )


class EventWriter:
    """Writes the events of one answer for the stream; remembers the passages, which the citations refer to."""

    def __init__(self) -> None:
        self._passages: tuple[Passage, ...] = ()

    def __call__(self, event: AnswerEvent) -> bytes:
        match event:
            case Sources():
                self._passages = tuple(event.passages)
                return sse.event("sources", _sources_out(event))
            case Delta():
                return sse.event("delta", DeltaOut(event.text))
            case Citations():
                numbers = tuple(each.number for each in event.items)
                return sse.event("citations", CitationsOut(_citations_out(numbers, self._passages)))
            case Done():
                return sse.event("done", DoneOut(event.answered))
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
    )


def _citations_out(numbers: tuple[int, ...], passages: tuple[Passage, ...]) -> list[CitationOut]:
    found = [(number, passages[number - 1]) for number in numbers if 1 <= number <= len(passages)]
    return [
        CitationOut(number, passage.attributes.document_id, passage.chunk.start, passage.chunk.end)
        for number, passage in found
    ]
