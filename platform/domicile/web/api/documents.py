"""``/v1/collections/{collection}/documents`` and ``/v1/documents``."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from litestar import Request, Response, delete, get, post
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, HeaderParameter, QueryParameter

from domicile.domain.actions import Action
from domicile.domain.documents import DocumentTitle
from domicile.domain.marks import Marking, Validity, label_set, truth
from domicile.domain.subjects import identifiers
from domicile.domain.values import Classification
from domicile.web.api import forms
from domicile.web.api.collections import IdempotencyKey
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who
from domicile.web.idempotency import IdempotentWrite
from domicile.web.schemas import DocumentOut, DocumentsOut, JobOut, document_out, documents_out, job_out
from domicile.web.uploads import UploadForm, UploadLimits, read_upload

Prefer = Annotated[str | None, HeaderParameter(name="Prefer", description="'handling=lenient', or nothing")]
_TAGS = ["documents"]
_FIELDS = frozenset(
    {"source", "classification", "groups", "owner", "labels", "personal_data", "valid_from", "valid_until", "subject", "region"}
)
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,62}/[a-z0-9][a-z0-9.+-]{0,126}")


_UploadOperation = forms.operation(
    file=Schema(type=OpenAPIType.ARRAY, min_items=1, items=forms.content(), description="One or more documents"),
    source=forms.texts("Where each file came from, in the same order; citations name it"),
    classification=Schema(type=OpenAPIType.STRING, enum=[each.label for each in Classification]),
    groups=forms.texts("Groups that may read them; everyone of the tenant if none is given"),
    owner=forms.text("A login; who sends them if not given"),
    labels=forms.texts("Short names that policies can refer to"),
    personal_data=forms.yes_or_no("Whether they hold personal data"),
    valid_from=forms.text("The first day, or a time with a zone (ISO 8601)"),
    valid_until=forms.text("The last day, or the time at which they stop to be valid"),
    subject=forms.texts("Whom they are about, by identifiers of your own; only digests are kept"),
    region=forms.text("Must be the cell's own, if given"),
)


@get(
    "/collections/{collection:str}/documents",
    summary="List documents",
    tags=_TAGS,
    responses=problems(404),
    opt=decides(Action.DOCUMENT_LIST, Action.COLLECTION_LIST),
)
async def list_documents(
    collection: FromPath[str],
    visitor: Who,
    cell: Here,
    after: Annotated[UUID | None, QueryParameter(description="The cursor that the page before gave")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200, description="Documents a page")] = 50,
) -> DocumentsOut:
    """Those that the caller may see, oldest first."""
    where = await cell.library.collection(visitor.caller, collection)
    return documents_out(await cell.library.documents(visitor.caller, where.id, after, limit))


@post(
    "/collections/{collection:str}/documents",
    status_code=202,
    summary="Ingest documents",
    tags=_TAGS,
    responses=problems(404, 409, 413, 415, 422),
    operation_class=_UploadOperation,
    request_max_body_size=None,
    opt={
        "content_type": "multipart/form-data",
        **decides(Action.DOCUMENT_CREATE, Action.DOCUMENT_DELETE, Action.COLLECTION_LIST, Action.JOB_READ),
    },
)
async def ingest_documents(
    collection: FromPath[str],
    request: Request[Any, Any, Any],
    visitor: Who,
    cell: Here,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response[JobOut]:
    """Answers once the documents are stored, encrypted, with the job that makes them searchable.

    Of several documents each one that cannot be used fails on its own, in the job. A single one is refused at once, unless
    ``Prefer: handling=lenient`` (RFC 7240) asks for a job all the same.
    """
    where = await cell.library.collection(visitor.caller, collection)
    limits = UploadLimits(cell.settings.max_document_bytes, cell.settings.max_documents_per_request)
    form = await read_upload(request, limits, _FIELDS)
    write = IdempotentWrite(cell.database, visitor, idempotency_key, _parts(where.id, form))
    job_id = await write.made_before()
    if job_id is None:
        job = await cell.intake.submit(
            visitor.caller,
            where.id,
            form.uploads(),
            marking=_marking(form),
            region=form.single("region"),
            reject_single="handling=lenient" not in (prefer or ""),
        )
        job_id = job.id
        await write.made(job_id, 202)
    view = await cell.progress.get(visitor.caller, job_id)
    return Response(job_out(view), status_code=202, headers={"location": f"/v1/jobs/{job_id}"})


@get(
    "/documents/{document_id:uuid}",
    summary="Get a document",
    tags=_TAGS,
    responses=problems(404),
    opt=decides(Action.DOCUMENT_LIST),
)
async def get_document(document_id: FromPath[UUID], visitor: Who, cell: Here) -> DocumentOut:
    """Its title and attributes, without its content."""
    return document_out(await cell.library.document(visitor.caller, document_id))


@get(
    "/documents/{document_id:uuid}/content",
    summary="Get a document's content",
    tags=_TAGS,
    responses=problems(404),
    media_type="text/plain",
    opt=decides(Action.DOCUMENT_READ),
)
async def get_content(
    document_id: FromPath[UUID],
    visitor: Who,
    cell: Here,
    original: Annotated[bool, QueryParameter(description="The file as it was ingested, instead of its text")] = False,
) -> Response[bytes]:
    """The extracted text, to which the offsets of citations point; or the original file, as an attachment."""
    if not original:
        text = await cell.library.text(visitor.caller, document_id)
        return Response(text.encode("utf-8"), media_type="text/plain")
    content, title = await cell.library.original(visitor.caller, document_id)
    headers = {"content-disposition": attachment(title)}
    return Response(content, media_type=_safe_media_type(title.media_type), headers=headers)


@delete(
    "/documents/{document_id:uuid}",
    summary="Delete a document",
    tags=_TAGS,
    responses=problems(404),
    opt=decides(Action.DOCUMENT_DELETE),
)
async def delete_document(document_id: FromPath[UUID], visitor: Who, cell: Here) -> None:
    """From every store, with its keys: afterwards nobody can read it, not even in a backup."""
    await cell.withdrawal.delete(visitor.caller, document_id)


def attachment(title: DocumentTitle) -> str:
    """A Content-Disposition (RFC 6266) that no file name can break out of: what is not plain is escaped (RFC 8187)."""
    name = title.source.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] or "document"
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    escaped = quote(name.encode("utf-8", "replace"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{escaped}"


def _safe_media_type(media_type: str) -> str:
    return media_type if _MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream"


def _marking(form: UploadForm) -> Marking:
    """What the form says of its documents; what is not sent is not said."""
    label, personal = form.single("classification"), form.single("personal_data")
    start, end = form.single("valid_from"), form.single("valid_until")
    groups, labels, subjects = (form.fields.get(name) for name in ("groups", "labels", "subject"))
    return Marking(
        classification=None if label is None else Classification.parse(label),
        groups=None if groups is None else tuple(groups),
        owner=form.single("owner"),
        labels=None if labels is None else label_set(labels),
        personal_data=None if personal is None else truth(personal),
        validity=Validity.parse(start, end) if start or end else None,
        subjects=None if subjects is None else identifiers(subjects),
    )


def _parts(collection_id: UUID, form: UploadForm) -> list[bytes]:
    """What makes two uploads the same request."""
    fields = [part.encode("utf-8") for name in sorted(form.fields) for part in (name, *form.fields[name])]
    files = [part for name, content in form.files for part in (name.encode("utf-8", "replace"), content)]
    return [collection_id.bytes, *fields, *files]
