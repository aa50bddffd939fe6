"""``domicile init``, ``domicile serve`` and ``domicile worker``."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domicile.cli.declared import decides, decides_nothing
from domicile.domain.actions import Action
from domicile.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from domicile.bootstrap import Cell
    from domicile.config import Settings

DataDir = Annotated[Path | None, typer.Option(help="The cell's folder; DOMICILE_DATA_DIR if not given.")]


@decides_nothing("It makes a cell in which there is no tenant yet.")
def init(data_dir: DataDir = None) -> None:
    """Make a new cell: its folder, its root key (if that is a file) and its database. Safe to run again."""
    from domicile.bootstrap import initialise_cell
    from domicile.bootstrap.keys import own_key_file
    from domicile.config import load_settings

    settings = load_settings(data_dir=data_dir)
    asyncio.run(initialise_cell(settings))
    typer.echo(f"The cell '{settings.cell}' in {settings.region} is ready in {settings.data_dir}.")
    key_file = own_key_file(settings)
    if key_file:
        typer.echo(f"Keep a copy of {key_file.path} apart from any copy of the data: without it nothing can be read.")
    else:
        typer.echo("Its root key is in its key provider: without that nothing can be read.")


@decides(Action.ENDPOINT_USE)
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; DOMICILE_HOST if not given.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; DOMICILE_PORT if not given.", min=1, max=65535)] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve the cell until interrupted. SIGHUP reads the policies in DOMICILE_POLICY_DIR again."""
    from domicile.config import load_settings

    asyncio.run(run_service(load_settings(host=host, port=port, data_dir=data_dir)))


@decides(Action.ENDPOINT_USE, Action.DOCUMENT_CREATE)
def worker(data_dir: DataDir = None) -> None:
    """Run ingest jobs for services that only take them in (DOMICILE_JOBS=worker), until interrupted."""
    from domicile.config import load_settings

    settings = load_settings(data_dir=data_dir)
    if settings.jobs != "worker":
        raise ConfigurationError("The service runs its own jobs here.", hint="Set DOMICILE_JOBS=worker for both.")
    asyncio.run(_run_worker(settings))


async def run_service(settings: Settings, prepare: Callable[[Cell], Coroutine[Any, Any, str]] | None = None) -> None:
    """Open the cell and serve it. ``prepare`` runs before, and gives what is printed once requests are answered."""
    from domicile.bootstrap import open_cell, served_certificate
    from domicile.web.server import check_address, serve_cell

    certificate = served_certificate(settings)
    async with open_cell(settings, command="domicile serve", url=settings.url, run_jobs=settings.jobs == "embedded") as cell:
        if prepare is None:
            _reload_on_hangup(cell)
        check_address(settings.host, settings.port)
        async with _stopping(cell) as stop:
            announcement = await _unless_stopped(prepare(cell), stop) if prepare else f"Serving {settings.url}"
            if announcement:
                await serve_cell(cell, stop=stop, started=lambda: typer.echo(announcement), certificate=certificate)


async def _run_worker(settings: Settings) -> None:
    from domicile.bootstrap import open_cell

    async with open_cell(settings, command="domicile worker", run_jobs=True) as cell, _stopping(cell) as stop:
        _reload_on_hangup(cell)
        typer.echo("Working on ingest jobs.")
        await stop.wait()


@asynccontextmanager
async def _stopping(cell: Cell) -> AsyncIterator[asyncio.Event]:
    """What to stop at: a signal, or data that may not flow to another region any more, which raises in the end."""
    stop = _stop_on_signals()
    watching = asyncio.create_task(_watch(cell, stop))
    try:
        yield stop
    finally:
        watching.cancel()
    cell.standing.require()


async def _watch(cell: Cell, stop: asyncio.Event) -> None:
    await cell.standing.watch(stop)
    cell.telemetry.silence()  # what is still to be sent would go where nothing may go any more


async def _unless_stopped(work: Coroutine[Any, Any, str], stop: asyncio.Event) -> str:
    """What the work gives, or the empty text if the process is told to stop before."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
        return ""
    return await working


def _stop_on_signals() -> asyncio.Event:
    """Set by SIGINT and SIGTERM, so that what is in flight finishes and every store is closed in order."""
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    return stop


def _reload_on_hangup(cell: Cell) -> None:
    """SIGHUP reads the platform's policies again. (A demonstration still ends with its terminal.)"""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, cell.reload.ask)
