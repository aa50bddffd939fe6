"""``/v1/answers``: a question, answered with citations, whole or as it is written."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from domicile.answers.events import AnswerRequest
from domicile.web import sse
from domicile.web.answer_events import AnswerOut, Transcript, answer_out, write_event
from domicile.web.api.collections import resolve
from domicile.web.api.responses import problems
from domicile.web.declared import ANSWERING, decides
from domicile.web.dependencies import Here, Who
from domicile.web.relay import Relay
from domicile.web.schemas import AnswerBody


@post(
    "/answers",
    status_code=200,
    summary="Ask",
    tags=["answers"],
    responses=problems(404, 413, 415, 504)
    | {200: ResponseSpec(AnswerOut, generate_examples=False, description="The answer, or its events as they happen")},
    opt={"content_type": "application/json", **decides(*ANSWERING)},
)
async def ask(data: JSONBody[AnswerBody], request: Request[Any, Any, Any], visitor: Who, cell: Here) -> Response[Any]:
    """With ``Accept: text/event-stream``: the events ``sources``, ``delta`` …, ``citations``, ``receipt`` and ``done``, or
    ``error`` with problem details. Otherwise the whole answer at once."""
    question = AnswerRequest(
        question=data.question,
        collections=await resolve(data.collections, visitor.caller, cell),
        conversation_id=data.conversation_id,
        remember=data.remember,
        limit=data.limit,
    )
    events = cell.answers.answer(visitor.caller, question)
    if sse.MEDIA_TYPE in request.headers.get("accept", ""):
        return await sse.respond(Relay(events), write_event, request.scope["state"]["request_id"])
    transcript = Transcript()
    return Response(answer_out(transcript, await transcript.collect(events)))
