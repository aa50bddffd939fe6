"""The problems that a handler can answer with, for the OpenAPI document, and the content type that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec

from domicile.web.problems import MEDIA_TYPE
from domicile.web.schemas import ProblemDetails

_MEANING: Mapping[int, str] = {
    400: "The request is not valid",
    401: "No valid credential",
    403: "Policy does not permit this",
    404: "Does not exist, or lies in another tenant",
    409: "Conflicts with what exists",
    413: "Too large",
    415: "The media type is not supported",
    421: "The data lives in another region, whose cell has to be asked",
    422: "What was sent cannot be used",
    429: "Too many failed attempts",
    500: "Something is wrong inside the service",
    503: "A component is not available",
    504: "The model did not answer in time",
    507: "The storage is full",
}

#: What can happen to every authenticated request.
_ALWAYS = (400, 401, 403, 421, 429, 500, 503, 507)


def problems(*further: int, always: tuple[int, ...] = _ALWAYS) -> dict[int, ResponseSpec]:
    """Problem details for these statuses, besides those that can always happen."""
    return {
        status: ResponseSpec(ProblemDetails, generate_examples=False, description=_MEANING[status], media_type=MEDIA_TYPE)
        for status in sorted({*always, *further})
    }


def require_content_type(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard: a body is only read as what it says it is. (A form of another site cannot say that it is JSON.)"""
    expected = handler.opt.get("content_type")
    if expected is None:
        return
    given = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != expected:
        raise HTTPException(status_code=415)
