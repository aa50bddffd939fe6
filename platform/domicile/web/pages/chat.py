"""The chat: the start page, a conversation, and asking without script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from domicile.answers.conversations import ConversationView
from domicile.answers.events import AnswerRequest
from domicile.domain.actions import Action
from domicile.domain.errors import Forbidden, NotFound
from domicile.domain.principals import Caller
from domicile.web.answer_events import Transcript
from domicile.web.api.collections import resolve
from domicile.web.authentication import Visitor
from domicile.web.cell import ServedCell
from domicile.web.cited import CitedSources
from domicile.web.declared import ANSWERING, decides
from domicile.web.dependencies import Here, Who
from domicile.web.pages.examples import questions_to_try
from domicile.web.pages.rendering import PageRequest, language_of, page
from domicile.web.pages.views import (
    BLANK_EXCHANGE,
    BLANK_SOURCE,
    ExchangeView,
    anchor_of,
    exchange_of_history,
    exchange_of_transcript,
)
from domicile.web.pages.words import words_in


@dataclass(frozen=True, slots=True)
class CollectionChoice:
    slug: str
    chosen: bool


@get("/", include_in_schema=False, opt=decides(Action.CONVERSATION_READ, Action.COLLECTION_LIST, Action.DOCUMENT_LIST))
async def start(request: PageRequest, visitor: Who, cell: Here) -> Response[str]:
    """Nothing asked yet: what one can do here, with questions to try."""
    return await _chat(request, visitor, cell)


@get(
    "/conversations/{conversation_id:uuid}",
    include_in_schema=False,
    opt=decides(Action.CONVERSATION_READ, Action.COLLECTION_LIST),
)
async def conversation(conversation_id: FromPath[UUID], request: PageRequest, visitor: Who, cell: Here) -> Response[str]:
    """An earlier conversation, to go on with."""
    found = await cell.conversations.get(visitor.caller, conversation_id)
    exchanges = await _past(found, visitor.caller, cell, words_in(language_of(request)))
    return await _chat(request, visitor, cell, exchanges=exchanges, conversation_id=conversation_id, title=found.title)


@post("/", include_in_schema=False, status_code=200, opt=decides(*ANSWERING))
async def ask(request: PageRequest, visitor: Who, cell: Here) -> Response[str]:
    """Asking without script: the page comes back with the whole answer."""
    form = await request.form()
    slugs = [str(each) for each in form.getall("collection", [])]
    known = {each.slug for each in await cell.library.collections(visitor.caller)}
    conversation_id = _uuid(str(form.get("conversation_id", "")))
    question = AnswerRequest(
        question=str(form.get("example") or form.get("question", "")),
        collections=None if not slugs or known <= set(slugs) else await resolve(slugs, visitor.caller, cell),
        conversation_id=conversation_id,
    )
    transcript = Transcript()
    sources = await transcript.collect(cell.answers.answer(visitor.caller, question))
    words = words_in(language_of(request))
    earlier = await _earlier(visitor.caller, cell, conversation_id, sources.answer_id, words)
    asked = exchange_of_transcript(question.question, transcript, sources, words)
    return await _chat(
        request,
        visitor,
        cell,
        exchanges=[*earlier, asked],
        conversation_id=sources.conversation_id,
        chosen=frozenset(slugs) or None,
    )


@post(
    "/conversations/{conversation_id:uuid}/delete",
    include_in_schema=False,
    status_code=303,
    opt=decides(Action.CONVERSATION_DELETE),
)
async def delete_conversation(conversation_id: FromPath[UUID], visitor: Who, cell: Here) -> Response[Any]:
    await cell.conversations.delete(visitor.caller, conversation_id)
    return Redirect("/", status_code=303)


async def _chat(
    request: PageRequest,
    visitor: Visitor,
    cell: ServedCell,
    *,
    exchanges: Sequence[ExchangeView] = (),
    conversation_id: UUID | None = None,
    chosen: frozenset[str] | None = None,
    title: str = "",
) -> Response[str]:
    language = language_of(request)
    try:
        collections = await cell.library.collections(visitor.caller)
        history = await cell.conversations.list(visitor.caller)
    except Forbidden:  # an auditor signs in here too, and should be told what this page is not for
        return page(request, "not_for_role.html", status=403, about="chat")
    return page(
        request,
        "chat.html",
        title=title or (exchanges[0].question if exchanges else ""),
        exchanges=exchanges,
        conversation_id=conversation_id,
        collections=[CollectionChoice(each.slug, chosen is None or each.slug in chosen) for each in collections],
        history=history,
        examples=[] if exchanges else await questions_to_try(visitor.caller, cell.library, collections, language),
        blank=BLANK_EXCHANGE,
        blank_source=BLANK_SOURCE,
    )


async def _earlier(
    caller: Caller, cell: ServedCell, conversation_id: UUID | None, answer_id: UUID, words: Mapping[str, str]
) -> list[ExchangeView]:
    """What the conversation held before this answer."""
    if conversation_id is None:
        return []
    found = await cell.conversations.get(caller, conversation_id)
    past = await _past(found, caller, cell, words)
    return [each for each in past if each.id != anchor_of(answer_id)]


async def _past(
    conversation: ConversationView, caller: Caller, cell: ServedCell, words: Mapping[str, str]
) -> list[ExchangeView]:
    sources = CitedSources(caller, cell.library)
    return [
        exchange_of_history(conversation.id, each, await sources.quoted(each.body.citations), words)
        for each in conversation.exchanges
    ]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise NotFound() from None
