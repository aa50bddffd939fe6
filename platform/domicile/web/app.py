"""The application of one cell: routes, guards, problem details, pages, and the layer around all of them."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import BaseRoute
from litestar.types import ControllerRouterHandler

from domicile import __version__
from domicile.web.api import (
    answers,
    audit,
    collections,
    conversations,
    documents,
    erasures,
    explanations,
    holds,
    jobs,
    keys,
    me,
    operations,
    policies,
    portability,
    receipts,
    residency,
    retention,
    search,
    transfers,
)
from domicile.web.api.responses import require_content_type
from domicile.web.authentication import require_caller
from domicile.web.bodies import CheckedRequest
from domicile.web.boundary import Boundary, RouteSpan
from domicile.web.cell import ServedCell
from domicile.web.declared import DeclaringSchema, require_declared
from domicile.web.dependencies import PROVIDED
from domicile.web.pages import admin, assets, chat, document, sign_in
from domicile.web.pages.rendering import error_page
from domicile.web.problems import MEDIA_TYPE, log_if_ours, problem_of

#: Bytes of a body that is not an upload.
MAX_BODY_BYTES = 1024 * 1024

_API: tuple[ControllerRouterHandler, ...] = (
    me.me,
    collections.list_collections,
    collections.create_collection,
    collections.get_collection,
    documents.list_documents,
    documents.ingest_documents,
    documents.get_document,
    documents.get_content,
    documents.delete_document,
    jobs.get_job,
    jobs.follow_job,
    search.search,
    answers.ask,
    conversations.list_conversations,
    conversations.get_conversation,
    conversations.delete_conversation,
    audit.list_events,
    receipts.receipt_key,
    residency.get_residency,
    policies.get_policies,
    policies.put_policies,
    policies.list_policy_versions,
    policies.get_policy_version,
    transfers.list_transfers,
    explanations.explain,
    portability.create_export,
    portability.create_import,
    keys.list_keys,
    keys.reencrypt,
    holds.list_holds,
    holds.place_hold,
    holds.release_hold,
    erasures.request_erasure,
    erasures.preview_erasure,
    erasures.list_erasures,
    erasures.get_erasure,
    erasures.approve_erasure,
    retention.get_retention,
    retention.put_retention,
    retention.preview_retention,
)
_OPERATIONS: tuple[ControllerRouterHandler, ...] = (operations.live, operations.ready, operations.metrics)
_PAGES: tuple[ControllerRouterHandler, ...] = (
    assets.asset,
    sign_in.sign_in_page,
    sign_in.sign_in,
    sign_in.sign_out,
    sign_in.choose_theme,
    chat.start,
    chat.ask,
    chat.conversation,
    chat.delete_conversation,
    document.read,
    admin.admin,
)
_NOT_PAGES = ("/v1", "/health", "/metrics", "/static")


def create_app(cell: ServedCell) -> Litestar:
    """Everything that the cell serves over HTTP."""
    app = Litestar(
        route_handlers=[Router("/v1", route_handlers=_API, guards=[require_content_type]), *_OPERATIONS, *_PAGES],
        guards=[require_caller],
        dependencies=PROVIDED,
        request_class=CheckedRequest,
        middleware=[DefineMiddleware(RouteSpan, telemetry=cell.telemetry)],
        exception_handlers={Exception: _on_error},
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=_openapi(),
        state=State({"cell": cell, "assets": assets.load_assets()}),
        logging_config=None,
    )
    require_declared(app)
    app.asgi_handler = Boundary(app.asgi_handler, cell)
    return app


def _on_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    problem = problem_of(error)
    log_if_ours(error, problem)
    path = request.url.path
    if not path.startswith(_NOT_PAGES) and "text/html" in request.headers.get("accept", ""):
        return error_page(request, problem)
    body = problem.body(request.scope["state"]["request_id"])
    return Response(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=dict(problem.headers))


class _SchemaRouter(Router):
    """Takes the schema's own route only: the framework adds one beside it that answers HTML for all that is unknown."""

    def register(self, value: ControllerRouterHandler) -> list[BaseRoute]:
        catches_all = isinstance(value, HTTPRouteHandler) and "/{path:str}" in value.paths
        return [] if catches_all else super().register(value)


def _openapi() -> OpenAPIConfig:
    schemes: dict[str, Any] = {"key": SecurityScheme(type="http", scheme="bearer", description="An API key")}
    return OpenAPIConfig(
        title="Domicile",
        version=__version__,
        description="Answers from an organisation's own documents. Errors are problem details (RFC 9457).",
        path="/v1",
        openapi_router=_SchemaRouter("/v1", route_handlers=[], include_in_schema=False),
        render_plugins=[DeclaringSchema(path="/openapi.json")],
        components=Components(security_schemes=schemes),
        security=[{"key": []}],
    )
