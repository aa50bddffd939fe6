"""The HTTP server around the application: Granian, in this process and on this event loop, for one cell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from domicile.domain.errors import ConfigurationError
from domicile.web.app import create_app

if TYPE_CHECKING:
    from domicile.web.cell import ServedCell

_CONNECT_ATTEMPTS = 200
_ATTEMPT_SECONDS = 0.025


async def serve_cell(
    cell: ServedCell, *, stop: asyncio.Event, started: Callable[[], object], socket: Path | None = None
) -> None:
    """Serve until ``stop`` is set, then let requests in flight finish. ``started`` is called once connections are accepted.

    Listens on the Unix ``socket`` if one is given, else on the address and port of the settings.
    """
    server = Server(
        create_app(cell),
        address=cell.settings.host,
        port=cell.settings.port,
        uds=socket,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
    )
    serving = asyncio.create_task(server.serve(), name="domicile-http")
    try:
        await _accepting(cell, socket, serving)
        started()
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    finally:
        if not serving.done():
            server.stop()  # type: ignore[no-untyped-call]
        await serving


async def _accepting(cell: ServedCell, socket: Path | None, serving: asyncio.Task[None]) -> None:
    """Return once a connection is accepted."""
    await asyncio.sleep(0)  # the server binds in its first step: if that failed, whoever accepts below is somebody else
    for _ in range(_CONNECT_ATTEMPTS):
        if serving.done():
            raise _cannot_listen(cell, serving.exception())
        try:
            opening = (
                asyncio.open_unix_connection(socket)
                if socket
                else asyncio.open_connection(cell.settings.host, cell.settings.port)
            )
            _, writer = await opening
        except OSError:
            await asyncio.sleep(_ATTEMPT_SECONDS)
        else:
            writer.close()
            return
    raise _cannot_listen(cell, None)


def _cannot_listen(cell: ServedCell, cause: BaseException | None) -> ConfigurationError:
    # Granian's errors carry a native backtrace after their first line.
    reason = f" ({str(cause).splitlines()[0]})" if cause else ""
    return ConfigurationError(
        f"Cannot listen on {cell.settings.host}:{cell.settings.port}{reason}.",
        hint="Stop what listens there, or choose another port with --port or DOMICILE_PORT.",
    )
