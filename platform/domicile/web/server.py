"""The HTTP server around the application: Granian, in this process and on this event loop, for one cell."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.server.embed import Server

from domicile.domain.errors import ConfigurationError
from domicile.web.app import create_app

if TYPE_CHECKING:
    from domicile.web.cell import ServedCell

_ATTEMPT_SECONDS = 0.025


async def serve_cell(
    cell: ServedCell,
    *,
    stop: asyncio.Event,
    started: Callable[[], object],
    path: Path | None = None,
    certificate: tuple[Path, Path] | None = None,
) -> None:
    """Serve until ``stop`` is set, then let requests in flight finish. ``started`` is called once connections are accepted.

    Listens on the Unix socket at ``path`` if one is given, else on the address and port of the settings. Whether those are free
    has to be checked before (``check_address``). With a certificate and its key, what is served there is HTTPS.
    """
    chain, key = certificate or (None, None)
    server = Server(
        create_app(cell),
        address=cell.settings.host,
        port=cell.settings.port,
        uds=path,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        ssl_cert=chain,
        ssl_key=key,
        ssl_protocol_min=SSLProtocols.tls12,
        log_enabled=False,
    )
    serving = asyncio.create_task(server.serve(), name="domicile-http")
    try:
        await _accepting(cell, path, serving)
        if not serving.done():
            started()
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    finally:
        if not serving.done():
            server.stop()  # type: ignore[no-untyped-call]
        await serving


def check_address(host: str, port: int) -> None:
    """Raise ``ConfigurationError`` if the address cannot be listened on: the server's own error is a native backtrace."""
    try:
        ip_address(host)
    except ValueError:
        raise ConfigurationError(
            "DOMICILE_HOST is not an IP address to listen on.", hint="Set it to one, such as 127.0.0.1 or 0.0.0.0."
        ) from None
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {host}:{port}: {error.strerror}.",
            hint="Stop what listens there, or choose another port with --port or DOMICILE_PORT.",
        ) from None


async def _accepting(cell: ServedCell, path: Path | None, serving: asyncio.Task[None]) -> None:
    """Return once a connection is accepted, or the server has ended."""
    await asyncio.sleep(0)  # the server binds in its first step: if that failed, whoever accepts below is somebody else
    while not serving.done():
        try:
            opening = (
                asyncio.open_unix_connection(path) if path else asyncio.open_connection(cell.settings.host, cell.settings.port)
            )
            _, writer = await opening
        except OSError:
            await asyncio.sleep(_ATTEMPT_SECONDS)
        else:
            writer.close()
            return
