"""``/v1/erasures``: having a document, or all about a data subject, erased for good."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from domicile.crypto.erasure_receipt import ErasureReceipt, decode
from domicile.domain.actions import Action
from domicile.domain.erasures import Erasure, ErasureKind, ErasureState, Stage
from domicile.lifecycle.erasures import Wanted
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who

_TAGS = ["lifecycle"]
_JSON = {"content_type": "application/json"}


class ErasureBody(msgspec.Struct, forbid_unknown_fields=True):
    """A whole tenant is erased by the operator, on the machine itself."""

    kind: Annotated[ErasureKind, Meta(description="document or subject")]
    target: Annotated[str, Meta(max_length=1000, description="A document's id, or a data subject's identifier")]
    reason: Annotated[str, Meta(max_length=64, description="A short name, such as the request's: letters, digits and hyphens")]
    account: Annotated[str, Meta(max_length=320, description="Login of the subject's own account, to go as well")] | None = None

    def wanted(self) -> Wanted:
        return Wanted(self.kind, self.target, self.reason, self.account)


class ErasureOut(msgspec.Struct):
    id: UUID
    kind: ErasureKind
    target: Annotated[UUID | None, Meta(description="Null for a data subject, of whom only a digest is kept")]
    account: UUID | None
    reason: str
    state: ErasureState
    stage: Annotated[Stage, Meta(description="What a running one does now, or did last")]
    waiting: Annotated[str | None, Meta(description="What it waits for, or why it was refused")]
    requested_by: UUID
    requested_at: datetime
    approved_by: UUID | None
    approved_at: datetime | None
    finished_at: datetime | None
    counts: Annotated[dict[str, int], Meta(description="What went, and what each store held of it")]
    held: Annotated[list[str], Meta(description="What stays because of a legal hold or of policy, as kind:id")]
    receipts: Annotated[list[ErasureReceipt], Meta(description="One of each store, signed, once it is done")]


class ErasuresOut(msgspec.Struct):
    items: list[ErasureOut]
    next: Annotated[UUID | None, Meta(description="Give it as 'after' for older ones; null on the last page")]


class ErasurePreviewOut(msgspec.Struct):
    documents: int
    conversations: int
    accounts: int
    held_documents: Annotated[int, Meta(description="Of these, kept by a legal hold")]
    held_conversations: int
    held_accounts: int


def erasure_out(erasure: Erasure) -> ErasureOut:
    """The erasure as it is on the wire."""
    told = {name: getattr(erasure, name) for name in ErasureOut.__struct_fields__}
    receipts = decode(erasure.receipts) if erasure.receipts else []
    return ErasureOut(**{**told, "counts": dict(erasure.counts), "held": list(erasure.held), "receipts": receipts})


@post(
    "/erasures",
    summary="Have something erased",
    status_code=202,
    tags=_TAGS,
    responses=problems(404, 409, 415),
    opt={**_JSON, **decides(Action.ERASURE_CREATE, Action.TENANT_ERASE, Action.HOLD_READ)},
)
async def request_erasure(data: JSONBody[ErasureBody], visitor: Who, cell: Here) -> ErasureOut:
    """Taken in, and carried out after this was answered: follow it by its id. What is erased cannot be brought back."""
    return erasure_out(await cell.erasures.request(visitor.caller, data.wanted()))


@post(
    "/erasures/preview",
    summary="See how much an erasure would remove",
    status_code=200,
    tags=_TAGS,
    responses=problems(404, 415),
    opt={**_JSON, **decides(Action.ERASURE_CREATE, Action.TENANT_ERASE)},
)
async def preview_erasure(data: JSONBody[ErasureBody], visitor: Who, cell: Here) -> ErasurePreviewOut:
    """Counts only. Changes nothing."""
    seen = await cell.erasures.preview(visitor.caller, data.wanted())
    return ErasurePreviewOut(**{name: getattr(seen, name) for name in ErasurePreviewOut.__struct_fields__})


@get("/erasures", summary="List erasures", tags=_TAGS, responses=problems(), opt=decides(Action.ERASURE_READ))
async def list_erasures(
    visitor: Who,
    cell: Here,
    after: Annotated[UUID | None, QueryParameter(description="The cursor that the page before gave")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200, description="Erasures a page")] = 100,
) -> ErasuresOut:
    """The newest first; for administrators and auditors."""
    found = await cell.erasures.list(visitor.caller, after=after, limit=limit)
    return ErasuresOut([erasure_out(each) for each in found], found[-1].id if len(found) == limit else None)


@get(
    "/erasures/{erasure_id:uuid}",
    summary="Follow an erasure",
    tags=_TAGS,
    responses=problems(404),
    opt=decides(Action.ERASURE_READ),
)
async def get_erasure(erasure_id: FromPath[UUID], visitor: Who, cell: Here) -> ErasureOut:
    """How far it has got; once it is done, with a signed receipt of each store."""
    return erasure_out(await cell.erasures.get(visitor.caller, erasure_id))


@post(
    "/erasures/{erasure_id:uuid}/approval",
    summary="Approve an erasure",
    status_code=200,
    tags=_TAGS,
    responses=problems(404, 409),
    opt=decides(Action.ERASURE_APPROVE),
)
async def approve_erasure(erasure_id: FromPath[UUID], visitor: Who, cell: Here) -> ErasureOut:
    """Where the operator demands two people: anybody who may, but for whoever asked for it."""
    return erasure_out(await cell.erasures.approve(visitor.caller, erasure_id))
