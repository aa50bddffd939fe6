"""Who is calling: the guard in front of every route that is not on the list of public ones.

Obligations, labelled where they are met:

1. A route is closed unless it is listed as public.
2. A credential in the Authorization header counts before a cookie, since no other site can set it.
3. A cookie counts for a changing request only with the session's CSRF token, sent from this site's own pages.
4. Who asks for what lives in another region is sent there before anything of the body is read, a form's token included.
5. Who looks at content from another region is in the transfer register, or is refused, before the handler runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.enums import RequestEncodingType
from litestar.handlers import BaseRouteHandler

from domicile.access.identity import Origin
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, CsrfRejected, NotAuthenticated
from domicile.domain.principals import Caller, Session
from domicile.domain.values import slug
from domicile.web.cell import ServedCell
from domicile.web.headers import session_cookie

#: Everything that may be asked without a credential. Nothing here tells anything about a tenant.
PUBLIC = frozenset(
    {
        ("GET", "/login"),
        ("POST", "/login"),
        ("POST", "/theme"),
        ("GET", "/static/{name}"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
        ("GET", "/v1"),
        ("GET", "/v1/openapi.json"),
        ("GET", "/v1/receipts/key"),
    }
)

#: The option of a route that holds the actions which it declares (``web.declared``).
DECIDES = "decides"
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf_token"
#: A short name, such as ``support`` or ``audit``, that policies can ask for.
PURPOSE_HEADER = "domicile-purpose"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: A key or a token is shorter by far; what is longer is not even hashed.
_MAX_CREDENTIAL = 512

Connection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Visitor:
    """An authenticated request. ``session`` is None for an API key; ``credential`` is the key or token itself."""

    caller: Caller
    session: Session | None
    credential: str = field(repr=False)

    @property
    def csrf_token(self) -> str:
        return self.session.csrf_token if self.session else ""


async def require_caller(connection: Connection, handler: BaseRouteHandler) -> None:
    """The guard of the whole application. Leaves a ``Visitor`` as the connection's user."""
    if (connection.scope.get("method"), connection.scope["path_template"]) in PUBLIC:  # (1)
        return
    connection.scope["user"] = await authenticate(connection, handler.opt.get(DECIDES, ()))


async def authenticate(connection: Connection, actions: Sequence[Action]) -> Visitor:
    """Raises ``NotAuthenticated``, ``CredentialExpired``, ``TooManyAttempts``, ``Misdirected``, ``CsrfRejected`` or
    ``TransferDenied``, and ``DependencyError`` for a transfer that cannot be registered.

    ``actions`` are those that the route declares.
    """
    cell: ServedCell = connection.app.state.cell
    origin = origin_of(connection)
    header = connection.headers.get("authorization")
    if header is not None:  # (2)
        key = _bearer(header)
        caller = await cell.identity.authenticate_key(key, origin)
        await _require_here(connection, caller, actions)  # (4)
        await cell.transfers.require_access(caller, actions)  # (5)
        return Visitor(caller, None, key)
    token = connection.cookies.get(session_cookie(over_tls=cell.settings.secure_cookies), "")
    if not token or len(token) > _MAX_CREDENTIAL:
        raise NotAuthenticated()
    caller, session = await cell.identity.authenticate_session(token, origin)
    await _require_here(connection, caller, actions)  # (4)
    if connection.scope.get("method") not in _SAFE:  # (3)
        check_same_origin(connection)
        await _check_csrf_token(connection, session)
    await cell.transfers.require_access(caller, actions)  # (5)
    return Visitor(caller, session, token)


def origin_of(connection: Connection) -> Origin:
    """Where the request comes from, for the audit log and for throttling."""
    client = connection.scope.get("client")
    cell: ServedCell = connection.app.state.cell
    where = cell.places.locate(client[0] if client else "", lambda name: connection.headers.getall(name, []))
    return Origin(
        request_id=connection.scope["state"]["request_id"],
        trace_id=connection.scope["state"].get("trace_id", ""),
        access_region=where.region,
        address=where.address,
        purpose=_purpose(connection),
    )


def _purpose(connection: Connection) -> str:
    """What the caller says that the request is for; raises ``CallerError`` for what is no short name."""
    given = connection.headers.getall(PURPOSE_HEADER, [])
    if len(given) > 1:
        raise CallerError("A request has one purpose.", hint=f"Send the header {PURPOSE_HEADER} once.")
    return slug(given[0]) if given and given[0] else ""


async def _require_here(connection: Connection, caller: Caller, actions: Sequence[Action]) -> None:
    """Raises ``Misdirected`` for another region's tenant, and for a collection or document in the path that lives elsewhere."""
    cell: ServedCell = connection.app.state.cell
    if not actions or Action.SESSION_DELETE in actions:
        return
    await cell.signposts.require_home(caller, actions[0])
    collection, document = connection.path_params.get("collection"), connection.path_params.get("document_id")
    if collection is not None:
        await cell.signposts.require_collections(caller, actions[0], [str(collection)])
    if isinstance(document, UUID):
        await cell.signposts.require_document(caller, actions[0], document)


def check_same_origin(connection: Connection) -> None:
    """Raises ``CsrfRejected`` unless the browser says that one of our own pages sent this.

    Every current browser sends Origin with a changing request; Sec-Fetch-Site comes with it over TLS and from localhost.
    Neither: not a browser that a page of ours runs in.
    """
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    if site is None and origin is None:
        raise CsrfRejected()
    if site is not None and site != "same-origin":
        raise CsrfRejected()
    if origin is not None and urlsplit(origin).netloc != connection.headers.get("host"):
        raise CsrfRejected()


def _bearer(header: str) -> str:
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key or len(key) > _MAX_CREDENTIAL:
        raise NotAuthenticated()
    return key.strip()


async def _check_csrf_token(connection: Connection, session: Session) -> None:
    sent = connection.headers.get(CSRF_HEADER, "")
    if not sent and isinstance(connection, Request) and connection.content_type[0] == RequestEncodingType.URL_ENCODED:
        sent = str((await connection.form()).get(CSRF_FIELD, ""))
    if not compare_digest(sent.encode("utf-8", "replace"), session.csrf_token.encode()):
        raise CsrfRejected()
