"""``/v1/collections``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, HeaderParameter, JSONBody

from domicile.domain.actions import Action
from domicile.domain.principals import Caller
from domicile.web.api.responses import problems
from domicile.web.cell import ServedCell
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who
from domicile.web.idempotency import IdempotentWrite
from domicile.web.schemas import CollectionOut, CollectionsOut, NewCollection, collection_out

IdempotencyKey = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", description="Makes it safe to send the same request again")
]
_TAGS = ["collections"]


@get("/collections", summary="List collections", tags=_TAGS, responses=problems(), opt=decides(Action.COLLECTION_LIST))
async def list_collections(visitor: Who, cell: Here) -> CollectionsOut:
    """Those that the caller may see, by short name."""
    return CollectionsOut([collection_out(each) for each in await cell.library.collections(visitor.caller)])


@post(
    "/collections",
    summary="Create a collection",
    tags=_TAGS,
    responses=problems(404, 409, 413, 415),
    opt={"content_type": "application/json", **decides(Action.COLLECTION_CREATE)},
)
async def create_collection(
    data: JSONBody[NewCollection], visitor: Who, cell: Here, idempotency_key: IdempotencyKey = None
) -> Response[CollectionOut]:
    """A collection lies in the cell's region; naming any other is refused."""
    parts = (b"collections", msgspec.json.encode(data))
    write = IdempotentWrite(cell.database, visitor, idempotency_key, parts)
    before = await write.made_before()
    if before is not None:
        made = await cell.library.collection(visitor.caller, str(before))
    else:
        made = await cell.library.create_collection(visitor.caller, data.slug, data.region, data.marking())
        await write.made(made.id, 201)
    return Response(collection_out(made), status_code=201, headers={"location": f"/v1/collections/{made.id}"})


@get(
    "/collections/{collection:str}",
    summary="Get a collection",
    tags=_TAGS,
    responses=problems(404),
    opt=decides(Action.COLLECTION_LIST),
)
async def get_collection(collection: FromPath[str], visitor: Who, cell: Here) -> CollectionOut:
    """By id or by short name."""
    return collection_out(await cell.library.collection(visitor.caller, collection))


async def resolve(references: Sequence[str] | None, caller: Caller, cell: ServedCell) -> frozenset[UUID] | None:
    """The ids of the collections that a request names; None if it names none.

    Raises ``NotFound`` for an unknown name, and ``Misdirected`` for a collection that lives in another region.

    Ids are passed on as they are: the use case looks for itself whether they show to the caller.
    """
    if references is None:
        return None
    await cell.signposts.require_collections(caller, Action.SEARCH_CREATE, references)
    return frozenset([_id(each) or (await cell.library.collection(caller, each)).id for each in references])


def _id(reference: str) -> UUID | None:
    try:
        return UUID(reference)
    except ValueError:
        return None
