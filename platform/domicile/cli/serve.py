"""``domicile init``, ``domicile serve`` and ``domicile worker``."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from domicile.bootstrap import Cell
    from domicile.config import Settings

DataDir = Annotated[Path | None, typer.Option(help="The cell's folder; DOMICILE_DATA_DIR if not given.")]


def init(data_dir: DataDir = None) -> None:
    """Make a new cell: its folder, its root key and its database. Safe to run again."""
    from domicile.bootstrap import initialise_cell
    from domicile.config import load_settings

    settings = load_settings(data_dir=data_dir)
    asyncio.run(initialise_cell(settings))
    typer.echo(f"The cell '{settings.cell}' in {settings.region} is ready in {settings.data_dir}.")
    typer.echo(f"Keep a copy of {settings.root_key_path} apart from any copy of the data: without it nothing can be read.")


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; DOMICILE_HOST if not given.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; DOMICILE_PORT if not given.", min=1, max=65535)] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve the cell until interrupted."""
    from domicile.config import load_settings

    asyncio.run(run_service(load_settings(host=host, port=port, data_dir=data_dir)))


def worker(data_dir: DataDir = None) -> None:
    """Run ingest jobs for services that only take them in (DOMICILE_JOBS=worker), until interrupted."""
    from domicile.config import load_settings

    asyncio.run(_run_worker(load_settings(data_dir=data_dir)))


async def run_service(settings: Settings, prepare: Callable[[Cell], Awaitable[str]] | None = None) -> None:
    """Open the cell and serve it. ``prepare`` runs before, and gives what is printed once requests are answered."""
    from domicile.bootstrap import open_cell
    from domicile.web.server import serve_cell

    url = f"http://{settings.host}:{settings.port}"
    async with open_cell(settings, command="domicile serve", url=url, run_jobs=settings.jobs == "embedded") as cell:
        stop = _stop_on_signals()
        announcement = await prepare(cell) if prepare else f"Serving {url}"
        await serve_cell(cell, stop=stop, started=lambda: typer.echo(announcement))


async def _run_worker(settings: Settings) -> None:
    from domicile.bootstrap import open_cell

    async with open_cell(settings, command="domicile worker", run_jobs=True):
        typer.echo("Working on ingest jobs.")
        await _stop_on_signals().wait()


def _stop_on_signals() -> asyncio.Event:
    """Set by SIGINT and SIGTERM, so that what is in flight finishes and every store is closed in order."""
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    return stop
