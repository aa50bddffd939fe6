"""For whoever operates the cell: is it alive, is it ready, what does it count. Public, so nothing here names a tenant."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get

from domicile.web.api.responses import problems
from domicile.web.dependencies import Here
from domicile.web.problems import MEDIA_TYPE, Problem

_TAGS = ["operations"]
_OK = "ok"


class Alive(msgspec.Struct):
    status: str = "alive"


class Ready(msgspec.Struct):
    status: str
    components: dict[str, str]


@get("/health/live", summary="Is the process alive", tags=_TAGS, sync_to_thread=False)
def live() -> Alive:
    """Answers whenever the process can answer at all."""
    return Alive()


@get("/health/ready", summary="Is the cell ready", tags=_TAGS, responses=problems(503, always=(500,)))
async def ready(request: Request[Any, Any, Any], cell: Here) -> Response[Ready]:
    """200 if every component is, otherwise 503 with each component and the slug of what is wrong with it."""
    components = await cell.health()
    waiting = sorted(name for name, state in components.items() if state != _OK)
    if not waiting:
        return Response(Ready("ready", components))
    problem = Problem(
        status=503,
        slug="not-ready",
        title="The cell is not ready",
        detail=f"Not ready: {', '.join(waiting)}.",
        hint="Look at what the components say.",
        members={"components": components},
    )
    body: Any = problem.body(request.scope["state"]["request_id"])
    return Response(body, status_code=503, media_type=MEDIA_TYPE, headers={"retry-after": "5"})


@get("/metrics", summary="Metrics", tags=_TAGS, media_type="text/plain", sync_to_thread=False)
def metrics(cell: Here) -> Response[bytes]:
    """The Prometheus text format: numbers with fixed labels."""
    return Response(cell.telemetry.render_metrics(), media_type="text/plain; version=0.0.4")
