"""The pages' own script, style and icon: read once, served from memory, by exact name only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from domicile.domain.errors import NotFound

_FOLDER = Path(__file__).parent.parent / "static"
_MEDIA_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    media_type: str
    tag: str


def load_assets(folder: Path = _FOLDER) -> dict[str, Asset]:
    """Every file of the folder that has one of our types, by name."""
    return {path.name: _load(path) for path in folder.iterdir() if path.suffix in _MEDIA_TYPES}


@get("/static/{name:str}", include_in_schema=False, sync_to_thread=False)
def asset(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """Browsers keep it and ask whether it has changed, so that an upgrade shows at once."""
    found: Asset | None = request.app.state.assets.get(name)
    if found is None:
        raise NotFound()
    headers = {"etag": found.tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == found.tag:
        return Response(b"", status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


def _load(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, _MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:24]}"')
