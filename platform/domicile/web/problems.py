"""Errors as problem details (RFC 9457): one stable ``type`` per kind of error, and no content in any of them."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import structlog
from litestar.exceptions import HTTPException

from domicile.domain import errors

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:domicile:problem:"
_RESERVED = frozenset({"type", "title", "status", "detail", "hint", "instance"})

#: By family, the most special class first in the method resolution order.
_STATUS: Mapping[type[errors.DomicileError], int] = {
    errors.CallerError: 400,
    errors.AlreadyExists: 409,
    errors.IdempotencyConflict: 409,
    errors.PolicyChanged: 409,
    errors.LegalHold: 409,
    errors.RunUnderWay: 409,
    errors.DocumentErased: 409,
    errors.NotWaiting: 409,
    errors.AuditFloor: 422,
    errors.DocumentTooLarge: 413,
    errors.DocumentTypeUnknown: 415,
    errors.DocumentEmpty: 422,
    errors.DocumentTypeMismatch: 422,
    errors.DocumentEncrypted: 422,
    errors.DocumentCorrupt: 422,
    errors.ParserLimitExceeded: 422,
    errors.TenantPolicyInvalid: 422,
    errors.BundleInvalid: 422,
    errors.Refused: 403,
    errors.NotAuthenticated: 401,
    errors.NotFound: 404,
    errors.Misdirected: 421,
    errors.TooManyAttempts: 429,
    errors.ConfigurationError: 503,
    errors.DependencyError: 503,
    errors.ModelTimeout: 504,
    errors.StorageFull: 507,
    errors.IntegrityError: 500,
    errors.DomicileError: 500,
}

#: Families whose sentence is written for operators, so that callers only get the class's fixed words.
_UNEXPLAINED = (errors.ConfigurationError, errors.IntegrityError)

_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": 'Bearer realm="domicile"'},
    429: {"Retry-After": "60"},
    503: {"Retry-After": "5"},
}

#: What the framework refuses by itself, before any use case sees it: slug, title, hint.
_FRAMEWORK: Mapping[int, tuple[str, str, str]] = {
    400: ("invalid-request", "The request does not have the right form", "See /v1/openapi.json for what is expected."),
    404: ("not-found", errors.NotFound.title, errors.NotFound.hint),
    405: ("method-not-allowed", "This method is not possible here", "See the Allow header for those that are."),
    413: ("body-too-large", "The request is larger than this service accepts", "Send less at once."),
    415: ("media-type-not-supported", "The request's media type is not supported", "See /v1/openapi.json."),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One error as callers see it. ``members`` are further facts by fixed names, such as ``region`` or ``limit``."""

    status: int
    slug: str
    title: str
    detail: str
    hint: str
    members: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, request_id: str) -> dict[str, object]:
        further = {name: value for name, value in self.members.items() if name not in _RESERVED}
        return {
            "type": TYPE_PREFIX + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "hint": self.hint,
            "instance": request_id,
            **further,
        }


def problem_of(error: Exception) -> Problem:
    """The problem that the error is; whatever nobody foresaw is a 500 that explains nothing."""
    match error:
        case errors.DomicileError():
            return _of_domicile(error)
        case HTTPException() if error.status_code < 500:
            return _of_framework(error)
        case _:
            return _of_domicile(errors.DomicileError())


def log_if_ours(error: Exception, problem: Problem) -> None:
    """Log what the caller cannot be blamed for: the class and the place, never the message, which may hold content."""
    if problem.status < 500:
        return
    slug = error.slug if isinstance(error, errors.DomicileError) else type(error).__name__
    structlog.get_logger("domicile.web").error("request failed", error=slug, where=_place(error))


def _of_domicile(error: errors.DomicileError) -> Problem:
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    unexplained = isinstance(error, _UNEXPLAINED)
    return Problem(
        status=status,
        slug=error.slug,
        title=error.title,
        detail=error.title if unexplained else str(error),
        hint=error.hint if unexplained else error.advice,
        members={} if unexplained else error.members,
        headers=_HEADERS.get(status, {}),
    )


def _of_framework(error: HTTPException) -> Problem:
    fallback = ("bad-request", HTTPStatus(error.status_code).phrase, errors.CallerError.hint)
    slug, title, hint = _FRAMEWORK.get(error.status_code, fallback)
    return Problem(
        status=error.status_code,
        slug=slug,
        title=title,
        detail=title + ".",
        hint=hint,
        members=_invalid_fields(error.extra),
        headers=error.headers or {},
    )


def _invalid_fields(extra: object) -> dict[str, object]:
    """Which parts of the request are wrong, where the framework's validation names them."""
    if not isinstance(extra, list):
        return {}
    wrong = [{"field": str(each.get("key", "")), "message": str(each.get("message", ""))} for each in extra]
    return {"errors": wrong} if wrong else {}


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
