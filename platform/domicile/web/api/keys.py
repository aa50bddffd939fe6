"""``/v1/keys``: which keys a tenant has, and new ones for chosen documents. No key is ever told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import JSONBody
from msgspec import Meta

from domicile.domain.actions import Action
from domicile.domain.errors import CallerError
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who

_TAGS = ["keys"]


class KeyVersionOut(msgspec.Struct):
    id: UUID
    version: int
    provider: Annotated[str, Meta(description="Who holds the root key that wraps it")]
    created_at: datetime


class KeysOut(msgspec.Struct):
    versions: Annotated[list[KeyVersionOut], Meta(description="Of the tenant's own key, the oldest first")]
    data_keys: int
    outdated: Annotated[int, Meta(description="Data keys that an older version wraps: a rotation is under way")]


class ReencryptionBody(msgspec.Struct, forbid_unknown_fields=True):
    since: Annotated[datetime, Meta(tz=True, description="Documents whose key is not older are passed over")]
    documents: list[UUID] = []
    collection: Annotated[UUID | None, Meta(description="Instead of naming documents")] = None
    after: Annotated[UUID | None, Meta(description="The cursor that the answer before gave, within a collection")] = None


class ReencryptionOut(msgspec.Struct):
    documents: Annotated[int, Meta(description="How many were encrypted anew")]
    skipped: Annotated[int, Meta(description="Those with a new key already, or gone meanwhile")]
    next: Annotated[UUID | None, Meta(description="Give it as 'after' to go on; null at the end")]


@get("/keys", summary="List the tenant's keys", tags=_TAGS, responses=problems(), opt=decides(Action.KEY_READ))
async def list_keys(visitor: Who, cell: Here) -> KeysOut:
    """Versions and counts, no keys; for administrators and auditors."""
    found = await cell.rotation.inventory(visitor.caller)
    versions = [KeyVersionOut(each.id, each.version, each.provider, each.created_at) for each in found.versions]
    return KeysOut(versions, found.data_keys, found.outdated)


@post(
    "/keys/reencryption",
    summary="Encrypt documents anew",
    tags=_TAGS,
    status_code=200,
    responses=problems(404, 415),
    opt={"content_type": "application/json", **decides(Action.KEY_ROTATE)},
)
async def reencrypt(data: JSONBody[ReencryptionBody], visitor: Who, cell: Here) -> ReencryptionOut:
    """Some documents at a time, each under a new data key; its old one is destroyed. They are read on meanwhile.

    Send it again with the cursor until there is none, and the same way after an interruption.
    """
    if (data.collection is None) == (not data.documents):
        raise CallerError("Name either documents or a collection.", hint="Send 'documents' or 'collection', not both.")
    if data.collection is None:
        done = await cell.reencryption.documents(visitor.caller, data.documents, data.since)
    else:
        done = await cell.reencryption.collection(visitor.caller, data.collection, data.since, data.after)
    return ReencryptionOut(done.documents, done.skipped, done.after)
