"""``/v1/conversations``: the caller's own chat history."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get
from litestar.params import FromPath
from msgspec import Meta

from domicile.answers.history import ExchangeView
from domicile.domain.actions import Action
from domicile.web.api.responses import problems
from domicile.web.cited import CitedSource, CitedSources
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who

_TAGS = ["conversations"]


class ConversationOut(msgspec.Struct):
    id: UUID
    title: str
    created_at: datetime
    updated_at: datetime


class ConversationsOut(msgspec.Struct):
    items: list[ConversationOut]


class CitedOut(msgspec.Struct):
    """``start`` and ``end`` are the cited words, in characters of the text of ``version_id``."""

    number: int
    document_id: UUID
    version_id: UUID
    title: str
    source: str
    page: int | None
    start: int
    end: int
    classification: str
    region: str


class ExchangeOut(msgspec.Struct):
    id: UUID
    created_at: datetime
    question: str
    text: str
    answered: bool
    complete: Annotated[bool, Meta(description="False if the answer was broken off")]
    generator: str
    region: str
    citations: Annotated[list[CitedOut], Meta(description="Without those that the caller may no longer open")]


class ConversationWithExchangesOut(ConversationOut):
    exchanges: list[ExchangeOut]


@get("/conversations", summary="List conversations", tags=_TAGS, responses=problems(), opt=decides(Action.CONVERSATION_READ))
async def list_conversations(visitor: Who, cell: Here) -> ConversationsOut:
    """The latest first."""
    found = await cell.conversations.list(visitor.caller)
    return ConversationsOut([ConversationOut(each.id, each.title, each.created_at, each.updated_at) for each in found])


@get(
    "/conversations/{conversation_id:uuid}",
    summary="Get a conversation",
    tags=_TAGS,
    responses=problems(404),
    opt=decides(Action.CONVERSATION_READ),
)
async def get_conversation(conversation_id: FromPath[UUID], visitor: Who, cell: Here) -> ConversationWithExchangesOut:
    """With its questions and answers, oldest first."""
    found = await cell.conversations.get(visitor.caller, conversation_id)
    sources = CitedSources(visitor.caller, cell.library)
    exchanges = [_exchange_out(each, await sources.openable(each.body.citations)) for each in found.exchanges]
    return ConversationWithExchangesOut(found.id, found.title, found.created_at, found.updated_at, exchanges)


@delete(
    "/conversations/{conversation_id:uuid}",
    summary="Delete a conversation",
    tags=_TAGS,
    responses=problems(404),
    opt=decides(Action.CONVERSATION_DELETE),
)
async def delete_conversation(conversation_id: FromPath[UUID], visitor: Who, cell: Here) -> None:
    """With its key: nobody can read it afterwards."""
    await cell.conversations.delete(visitor.caller, conversation_id)


def _exchange_out(exchange: ExchangeView, sources: list[CitedSource]) -> ExchangeOut:
    body = exchange.body
    return ExchangeOut(
        id=exchange.id,
        created_at=exchange.created_at,
        question=body.question,
        text=body.answer,
        answered=body.answered,
        complete=body.complete,
        generator=body.generator,
        region=body.region,
        citations=[_cited_out(each) for each in sources],
    )


def _cited_out(source: CitedSource) -> CitedOut:
    citation, document = source.citation, source.document
    return CitedOut(
        number=citation.number,
        document_id=citation.document_id,
        version_id=citation.version_id,
        title=document.title.title,
        source=document.title.source,
        page=citation.page,
        start=citation.start,
        end=citation.end,
        classification=document.classification.label,
        region=document.region.name,
    )
