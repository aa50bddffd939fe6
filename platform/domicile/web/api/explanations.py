"""``/v1/policies/explain``: why somebody may or may not do something, for administrators and auditors."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import post
from litestar.params import JSONBody
from msgspec import Meta

from domicile.access.explain import Answer, Question
from domicile.domain.actions import Action
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who

_Text = Annotated[str, Meta(min_length=1, max_length=256)]


class ExplainBody(msgspec.Struct, forbid_unknown_fields=True):
    """``resource`` is named as in the audit log, or as ``collection:NAME``, ``tenant`` or ``endpoint:KIND@REGION``."""

    principal: Annotated[_Text, Meta(description="A login or the id of an account of the tenant")]
    action: Annotated[_Text, Meta(description="An action's name, such as document:read")]
    resource: _Text
    method: Annotated[_Text, Meta(description="How the account calls: session, api-key or job")] = "session"
    access_region: Annotated[_Text, Meta(description="Where it calls from; unknown if not given")] = "unknown"
    purpose: Annotated[str, Meta(max_length=64, description="What it calls for, as a short name; none if empty")] = ""


@post(
    "/policies/explain",
    status_code=200,
    summary="Explain a decision",
    tags=["policies"],
    responses=problems(404, 413, 415),
    opt={"content_type": "application/json", **decides(Action.POLICY_READ)},
)
async def explain(data: JSONBody[ExplainBody], visitor: Who, cell: Here) -> Answer:
    """How it would be decided now, by which policies, and what the permits that could apply demand in vain.

    Ids and attributes only, no titles and no content; nothing is done and nothing is granted. The question is in the audit log.
    """
    question = Question(data.principal, data.action, data.resource, data.method, data.access_region, data.purpose)
    return await cell.explanations.explain(visitor.caller, question)
