"""``/v1/exports`` and ``/v1/imports``: what there is of a person or a tenant, as a signed bundle, and into another cell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.response import Stream
from msgspec import Meta

from domicile.domain.actions import Action
from domicile.domain.errors import CallerError
from domicile.domain.principals import Caller
from domicile.lifecycle.importing import Imported
from domicile.web.api import forms
from domicile.web.api.responses import problems
from domicile.web.bundles import read_bundle
from domicile.web.cell import ServedCell
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who

_TAGS = ["portability"]
_ZIP = "application/zip"
#: What an export asks besides, to tell no more than the caller may know.
_TOLD = (Action.MEMBER_CREATE, Action.POLICY_READ, Action.HOLD_READ, Action.RETENTION_READ)


class ExportBody(msgspec.Struct, forbid_unknown_fields=True):
    """``subject`` wants exactly one of ``user`` and ``identifier``; the others want neither."""

    kind: Annotated[
        Literal["tenant", "subject", "own"],
        Meta(description="Everything of the tenant, what there is of one person, or what is the caller's own"),
    ]
    user: Annotated[str | None, Meta(description="A login")] = None
    identifier: Annotated[str | None, Meta(description="A data subject's, as documents are tagged with it")] = None


class ImportedOut(msgspec.Struct):
    source: Annotated[str, Meta(description="The region that the bundle comes from")]
    documents: Annotated[int, Meta(description="How many are in the bundle")]
    jobs: Annotated[list[UUID], Meta(description="Jobs that publish the documents: follow them")]
    collections_made: list[str]
    conversations_added: int
    conversations_known: Annotated[int, Meta(description="Those that are here already")]
    conversations_without_owner: Annotated[list[UUID], Meta(description="As the bundle names them; they were not taken")]
    withheld_at_source: Annotated[int, Meta(description="What the bundle's manifest says was left out of it")]


_ImportOperation = forms.operation(
    file=forms.content("A tenant's bundle"),
    source_key=forms.text("Public key of the cell that made it, in base64; required unless 'unverified'"),
    unverified=forms.yes_or_no("That nobody's signature vouches for it; no conversations are taken then"),
)


@post(
    "/exports",
    status_code=200,
    summary="Export a bundle",
    tags=_TAGS,
    responses=problems(413, 415, 422)
    | {200: ResponseSpec(bytes, generate_examples=False, description="The bundle", media_type=_ZIP)},
    opt={
        "content_type": "application/json",
        **decides(Action.EXPORT_CREATE, Action.DOCUMENT_READ, Action.CONVERSATION_EXPORT, *_TOLD),
    },
)
async def create_export(data: JSONBody[ExportBody], visitor: Who, cell: Here) -> Stream:
    """A ZIP archive, as it is made; one that does not end with its signed manifest was broken off.

    A tenant and other people are exported by administrators; what is their own everyone may take along who has any.
    """
    content = await _wanted(cell, visitor.caller, data)
    named = {"content-disposition": f'attachment; filename="{data.kind}.zip"', "x-accel-buffering": "no"}
    return Stream(content, media_type=_ZIP, headers=named)


@post(
    "/imports",
    status_code=202,
    summary="Import a tenant's bundle",
    tags=_TAGS,
    responses=problems(409, 413, 415, 422),
    operation_class=_ImportOperation,
    request_max_body_size=None,
    opt={
        "content_type": "multipart/form-data",
        **decides(Action.IMPORT_CREATE, Action.DOCUMENT_CREATE, Action.DOCUMENT_DELETE, Action.COLLECTION_CREATE),
    },
)
async def create_import(request: Request[Any, Any, Any], visitor: Who, cell: Here) -> Response[ImportedOut]:
    """Answers once everything in it has been checked and is stored, with the jobs that make the documents searchable.

    The same bundle again adds nothing twice.
    """
    scratch = await cell.imports.begin(visitor.caller)
    try:
        form = await read_bundle(request, scratch, cell.settings.max_bundle_bytes)
        taken = await cell.imports.take(visitor.caller, scratch, form.source_key, unverified=form.unverified)
    finally:
        await asyncio.to_thread(scratch.close)
    return Response(imported_out(taken), status_code=202)


def imported_out(taken: Imported) -> ImportedOut:
    return ImportedOut(
        source=taken.source.name,
        documents=taken.documents,
        jobs=[each.id for each in taken.jobs],
        collections_made=list(taken.collections_made),
        conversations_added=taken.conversations_added,
        conversations_known=taken.conversations_known,
        conversations_without_owner=list(taken.conversations_without_owner),
        withheld_at_source=taken.withheld_at_source,
    )


async def _wanted(cell: ServedCell, caller: Caller, body: ExportBody) -> AsyncIterator[bytes]:
    match body.kind, body.user, body.identifier:
        case "tenant", None, None:
            return await cell.exports.tenant(caller)
        case "own", None, None:
            return await cell.exports.own(caller)
        case "subject", str(login), None:
            return await cell.exports.person(caller, login)
        case "subject", None, str(identifier):
            return await cell.exports.subject(caller, identifier)
        case _:
            raise CallerError(
                "It is not clear what is to be exported.", hint="Give 'user' or 'identifier' with 'subject', and nothing else."
            )
