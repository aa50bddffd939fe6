"""The outermost layer: a request id, the security headers, one log line and one count for each request."""

from __future__ import annotations

import time
from uuid import uuid4

import msgspec
import structlog
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from domicile.domain.errors import CallerError
from domicile.ports.telemetry import Telemetry
from domicile.web.cell import ServedCell
from domicile.web.headers import security_headers
from domicile.web.problems import MEDIA_TYPE, problem_of


class Boundary:
    """Wraps the whole application, routing included, so that no answer leaves without these."""

    def __init__(self, app: ASGIApp, cell: ServedCell) -> None:
        self._app = app
        self._telemetry = cell.telemetry
        self._headers = security_headers(over_tls=cell.settings.secure_cookies)
        self._hosts = frozenset(cell.settings.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        # Made here and never taken from the request: it ends up in logs and in the audit log.
        request_id = str(uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableScopeHeaders.from_message(message)
                headers["x-request-id"] = request_id
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                if self._knows_host(scope):
                    await self._app(scope, receive, send_with_headers)
                else:
                    await _refuse_host(request_id, send_with_headers)
            finally:
                self._record(scope, status, time.perf_counter() - started)

    def _knows_host(self, scope: Scope) -> bool:
        """Without this, another site could make a visitor's browser talk to this service under its own name."""
        if not self._hosts:
            return True
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        return host.rsplit(":", 1)[0].lower() in self._hosts or host.lower() in self._hosts

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route, method = str(scope.get("path_template", "unmatched")), str(scope.get("method", ""))
        self._telemetry.count(
            "http.server.requests",
            http__request__method=method,
            http__route=route,
            http__response__status_code=status,
        )
        visitor = scope.get("user")
        ids = {"tenant_id": str(visitor.caller.tenant.id), "principal_id": str(visitor.caller.principal.id)} if visitor else {}
        structlog.get_logger("domicile.web").info(
            "request",
            method=method,
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 1),
            trace_id=scope["state"].get("trace_id", ""),
            **ids,
        )


class RouteSpan:
    """A trace span around one routed request, named by its template: a path may hold ids, and a query anything."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._telemetry.span(
            "http.server.request",
            http__request__method=str(scope.get("method", "")),
            http__route=scope["path_template"],
            domicile__request_id=scope["state"]["request_id"],
        ):
            scope["state"]["trace_id"] = self._telemetry.trace_id()
            await self._app(scope, receive, send)


async def _refuse_host(request_id: str, send: Send) -> None:
    problem = problem_of(CallerError("The request names a host that this service does not serve."))
    content_type = (b"content-type", MEDIA_TYPE.encode())
    await send({"type": "http.response.start", "status": problem.status, "headers": [content_type]})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem.body(request_id)), "more_body": False})
