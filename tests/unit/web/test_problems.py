"""Errors as problem details."""

from __future__ import annotations

import pytest
from litestar.exceptions import HTTPException, MethodNotAllowedException

from domicile.domain import errors
from domicile.web.problems import problem_of


def _classes(root: type[errors.DomicileError]) -> list[type[errors.DomicileError]]:
    return [root, *(below for each in root.__subclasses__() for below in _classes(each))]


_OURS = [each for each in _classes(errors.DomicileError) if each.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", _OURS)
def test_every_error_has_a_status_of_its_family_and_all_members(kind: type[errors.DomicileError]) -> None:
    """The caller's faults and refusals are 4xx, everything else 5xx; the type is the class's slug."""
    problem = problem_of(kind())
    callers = issubclass(kind, errors.CallerError | errors.Refused)
    assert problem.status // 100 == (4 if callers else 5)
    body = problem.body("request-1")
    assert body["type"] == f"urn:domicile:problem:{kind.slug}"
    assert body["instance"] == "request-1"
    assert all(body[name] for name in ("title", "status", "detail", "hint"))


def test_slugs_are_not_shared_by_errors_of_different_status() -> None:
    """A type that means two things would be no use to a program."""
    seen: dict[str, int] = {}
    for kind in _OURS:
        status = problem_of(kind()).status
        assert seen.setdefault(kind.slug, status) == status, kind


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotAuthenticated(), 401),
        (errors.CredentialExpired(), 401),
        (errors.Forbidden(), 403),
        (errors.CsrfRejected(), 403),
        (errors.RegionRefused(), 403),
        (errors.NotFound(), 404),
        (errors.DocumentTooLarge(), 413),
        (errors.TooManyAttempts(), 429),
        (errors.AuditUnavailable(), 503),
        (errors.ModelTimeout(), 504),
        (errors.StorageFull(), 507),
    ],
)
def test_the_statuses_that_clients_rely_on(error: Exception, status: int) -> None:
    """Written out, so that a change of the table is a decision."""
    assert problem_of(error).status == status


def test_what_is_meant_for_operators_is_not_told_to_callers() -> None:
    """Configuration and integrity keep their sentence and their members to themselves."""
    for error in (errors.ResidencyViolation("postgres at 10.0.0.7", address="10.0.0.7"), errors.DecryptionFailed("key 7")):
        body = problem_of(error).body("r")
        assert "10.0.0.7" not in str(body)
        assert "key 7" not in str(body)


def test_an_error_nobody_foresaw_explains_nothing() -> None:
    """Its message may hold anything."""
    body = problem_of(ValueError("the whole document")).body("r")
    assert (body["status"], body["type"]) == (500, "urn:domicile:problem:internal")
    assert "document" not in str(body)


def test_members_cannot_replace_the_reserved_ones() -> None:
    """An error with a member called ``status`` keeps its own."""
    body = problem_of(errors.CallerError("x", status=200, type="y", limit=3)).body("r")
    assert (body["status"], body["limit"]) == (400, 3)
    assert body["type"] == "urn:domicile:problem:bad-request"


def test_the_frameworks_own_refusals_have_stable_types_too() -> None:
    """With their headers, and without the framework's sentence, which may quote the request."""
    problem = problem_of(MethodNotAllowedException(detail="quoted", headers={"allow": "GET"}))
    assert (problem.status, problem.slug, problem.headers) == (405, "method-not-allowed", {"allow": "GET"})
    assert "quoted" not in str(problem)
    assert problem_of(HTTPException(status_code=418)).slug == "bad-request"
    assert problem_of(HTTPException(status_code=500, detail="secret")).slug == "internal"
