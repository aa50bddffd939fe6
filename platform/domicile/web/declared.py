"""Which actions each route decides: declared beside it, checked when the application is made, told in the OpenAPI document.

Obligations, labelled where they are met:

1. A route without a declaration is not served: the application does not even start.
2. Only what is on the list of public routes may declare nothing, since nothing there tells anything about a tenant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Litestar, Request
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import HTTPRoute

from domicile.domain.actions import Action
from domicile.domain.errors import ConfigurationError
from domicile.web.authentication import DECIDES, PUBLIC

#: The member of an operation that names its actions: what a key has to be granted for to use it.
EXTENSION = "x-domicile-actions"
#: What an answer decides, over REST and on the page: it may go on with a conversation, and uses a model in a region.
ANSWERING = (
    Action.ANSWER_CREATE,
    Action.DOCUMENT_READ,
    Action.ENDPOINT_USE,
    Action.COLLECTION_LIST,
    Action.CONVERSATION_READ,
)
_WITHOUT_BODY = frozenset({"HEAD", "OPTIONS"})


def decides(*actions: Action) -> dict[str, Any]:
    """The option of a route by which it declares the actions that it asks the decision point about, the first one first."""
    return {DECIDES: actions}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route. No actions: public."""

    method: str
    path: str
    actions: tuple[Action, ...]


def operations(app: Litestar) -> Iterator[Operation]:
    """Everything that the application serves."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in sorted(handler.http_methods - _WITHOUT_BODY):
                    yield Operation(method, route.path_format, tuple(handler.opt.get(DECIDES, ())))


def require_declared(app: Litestar) -> None:
    """Raise ``ConfigurationError`` if anything is served of which nobody said what it decides."""
    for each in operations(app):
        if not each.actions and (each.method, each.path) not in PUBLIC:  # (1) (2)
            raise ConfigurationError(f"{each.method} {each.path} declares no action, so it is not served.")


class DeclaringSchema(JsonRenderPlugin):
    """Adds each operation's actions to the document."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        actions = {(each.path, each.method.lower()): [*each.actions] for each in operations(request.app)}
        paths = {path: _with_actions(path, item, actions) for path, item in openapi_schema["paths"].items()}
        return super().render(request, {**openapi_schema, "paths": paths})


def _with_actions(path: str, item: Mapping[str, Any], actions: Mapping[tuple[str, str], list[Action]]) -> dict[str, Any]:
    return {
        method: {**operation, EXTENSION: actions[path, method]} if (path, method) in actions else operation
        for method, operation in item.items()
    }
