"""``/v1/holds``: legal holds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from domicile.domain.actions import Action
from domicile.domain.holds import Hold, HoldKind
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who

_TAGS = ["lifecycle"]


class HoldBody(msgspec.Struct, forbid_unknown_fields=True):
    kind: HoldKind
    reference: Annotated[str, Meta(max_length=64, description="A short name of the matter: letters, digits and hyphens")]
    target: Annotated[
        str,
        Meta(
            max_length=1000,
            description="A document's id, a collection's id or short name, a data subject's identifier; empty for the tenant",
        ),
    ] = ""


class HoldOut(msgspec.Struct):
    id: UUID
    kind: HoldKind
    target: Annotated[UUID | None, Meta(description="Null for a data subject, of whom only a digest is kept")]
    reference: str
    placed_by: UUID
    placed_at: datetime
    released_by: UUID | None
    released_at: datetime | None


class HoldsOut(msgspec.Struct):
    items: list[HoldOut]
    next: Annotated[UUID | None, Meta(description="Give it as 'after' for older ones; null on the last page")]


def hold_out(hold: Hold) -> HoldOut:
    """The hold as it is on the wire."""
    return HoldOut(**{name: getattr(hold, name) for name in HoldOut.__struct_fields__})


@get("/holds", summary="List legal holds", tags=_TAGS, responses=problems(), opt=decides(Action.HOLD_READ))
async def list_holds(
    visitor: Who,
    cell: Here,
    released: Annotated[bool, QueryParameter(description="Also those that keep nothing any more")] = False,
    after: Annotated[UUID | None, QueryParameter(description="The cursor that the page before gave")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200, description="Holds a page")] = 100,
) -> HoldsOut:
    """The newest first; for administrators and auditors."""
    found = await cell.holds.list(visitor.caller, released=released, after=after, limit=limit)
    return HoldsOut([hold_out(each) for each in found], found[-1].id if len(found) == limit else None)


@post(
    "/holds",
    summary="Place a legal hold",
    tags=_TAGS,
    responses=problems(404, 415),
    opt={"content_type": "application/json", **decides(Action.HOLD_WRITE)},
)
async def place_hold(data: JSONBody[HoldBody], visitor: Who, cell: Here) -> HoldOut:
    """From now on nothing that it keeps can be withdrawn, replaced, erased or removed by retention."""
    return hold_out(await cell.holds.place(visitor.caller, data.kind, data.target, data.reference))


@delete(
    "/holds/{hold_id:uuid}",
    summary="Release a legal hold",
    tags=_TAGS,
    responses=problems(404),
    opt=decides(Action.HOLD_WRITE),
)
async def release_hold(hold_id: FromPath[UUID], visitor: Who, cell: Here) -> None:
    """It stays on record. What other holds keep, they go on keeping."""
    await cell.holds.release(visitor.caller, hold_id)
