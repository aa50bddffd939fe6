"""A document's text, with the cited passage marked."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated
from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath, FromQuery, QueryParameter

from domicile.domain.actions import Action
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who
from domicile.web.pages.passage import Span, render_text
from domicile.web.pages.rendering import PageRequest, page

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ANSWER = re.compile(rf"({_UUID})\.(e{_UUID})")


@get("/documents/{document_id:uuid}", include_in_schema=False, opt=decides(Action.DOCUMENT_READ, Action.DOCUMENT_LIST))
async def read(
    document_id: FromPath[UUID],
    request: PageRequest,
    visitor: Who,
    cell: Here,
    passage: FromQuery[str] = "",
    version: FromQuery[str] = "",
    came_from: Annotated[str, QueryParameter(name="from")] = "",
) -> Response[str]:
    """``passage`` is ``start-end`` in characters of the text of ``version``; ``from`` names the answer to go back to."""
    span = Span.parse(passage) if passage else None
    view = await cell.library.document(visitor.caller, document_id)
    text = await cell.library.text(visitor.caller, document_id)
    rendered = await asyncio.to_thread(render_text, text, span)
    return page(
        request,
        "document.html",
        document=view,
        text=rendered,
        changed=bool(version) and version != str(view.version_id),
        back=_back(came_from),
    )


def _back(came_from: str) -> str:
    match = _ANSWER.fullmatch(came_from)
    return f"/conversations/{match[1]}#{match[2]}" if match else "/"
