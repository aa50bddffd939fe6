"""``/v1/jobs``: how far an ingest has come."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Stream

from domicile.domain.actions import Action
from domicile.ingestion.progress import JobView
from domicile.web import sse
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who
from domicile.web.relay import Relay
from domicile.web.schemas import JobOut, job_out

_TAGS = ["jobs"]


@get("/jobs/{job_id:uuid}", summary="Get a job", tags=_TAGS, responses=problems(404), opt=decides(Action.JOB_READ))
async def get_job(job_id: FromPath[UUID], visitor: Who, cell: Here) -> JobOut:
    """The state of the job and of each of its documents, with the reason for each that failed."""
    return job_out(await cell.progress.get(visitor.caller, job_id))


@get(
    "/jobs/{job_id:uuid}/events",
    summary="Follow a job",
    tags=_TAGS,
    responses=problems(404),
    media_type=sse.MEDIA_TYPE,
    opt=decides(Action.JOB_READ),
)
async def follow_job(job_id: FromPath[UUID], request: Request[Any, Any, Any], visitor: Who, cell: Here) -> Stream:
    """Server-sent events: ``progress`` with the job whenever it has changed, the last one when it is done."""
    relay = Relay(cell.progress.watch(visitor.caller, job_id))
    return await sse.respond(relay, _write, request.scope["state"]["request_id"])


def _write(view: JobView) -> bytes:
    return sse.event("progress", job_out(view))
