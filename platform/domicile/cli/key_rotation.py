"""``domicile key list``, ``rotate``, ``use``, ``renew`` and ``minimum``: the keys that wrap others, from the machine itself.

These need the key store, the database and the providers only, so they also run beside a running service, which goes on reading
and writing meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from domicile.bootstrap.office import Office
    from domicile.lifecycle.rotation import Progress
    from domicile.ports.keys import KeyInventory

Tenant = Annotated[str, typer.Option("--tenant", "-t", help="The tenant's short name.")]


@decides(Action.KEY_READ)
def list_keys(tenant: Tenant, as_json: AsJson = False) -> None:
    """Show the versions of a tenant's key and how many data keys they wrap. Shows no key."""

    async def run() -> KeyInventory:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return await office.rotation.inventory(await office.operator(tenant))

    found = asyncio.run(run())
    versions = [
        {
            "version": each.version,
            "id": str(each.id),
            "provider": each.provider,
            "created_at": each.created_at.isoformat(timespec="seconds"),
        }
        for each in found.versions
    ]
    if as_json:
        print_json({"versions": versions, "data_keys": found.data_keys, "outdated": found.outdated})
        return
    print_table(("version", "id", "provider", "created at"), [tuple(each.values()) for each in versions])
    typer.echo(f"{found.data_keys} data keys, {found.outdated} of them wrapped by an older version")


@decides(Action.KEY_ROTATE)
def rotate(
    tenant: Annotated[list[str] | None, typer.Option("--tenant", "-t", help="A tenant's short name; may be repeated.")] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="Every tenant of the cell.")] = False,
    root: Annotated[
        str, typer.Option("--root", help="A key provider's name ('root' is the cell's): rotate its root key.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Give tenants' keys a new version and wrap every data key by it; or a provider's root key, and every tenant key.

    Nothing is encrypted anew, and the service goes on. Interrupted, it goes on where it was when it is run again.
    """
    if bool(tenant) + all_tenants + bool(root) != 1:
        raise CallerError("Say which keys.", hint="Give --tenant, --all-tenants or --root; see 'domicile key rotate --help'.")
    if root:
        _renewed(root, as_json=as_json)
    else:
        _rotated(tenant or (), None, as_json=as_json)


@decides(Action.KEY_ROTATE, Action.ENDPOINT_USE)
def use(
    provider: Annotated[str, typer.Argument(help="The key provider's name in DOMICILE_KEY_PROVIDERS_FILE.")],
    tenant: Tenant,
    as_json: AsJson = False,
) -> None:
    """Have a tenant's key held by that provider from now on: a new version, which wraps every data key."""
    _rotated([tenant], provider, as_json=as_json)


@decides(Action.KEY_ROTATE)
def renew(as_json: AsJson = False) -> None:
    """Wrap every tenant's key by the newest root key of its provider, after a rotation that the provider made itself."""
    _renewed("", as_json=as_json)


@decides(Action.KEY_ROTATE)
def minimum(
    version: Annotated[int, typer.Argument(help="The oldest version that may still open something.", min=1)],
    tenant: Tenant,
) -> None:
    """Destroy older versions of a tenant's key: old copies of what they wrapped can never be opened again."""

    async def run() -> int:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return await office.rotation.set_minimum(await office.operator(tenant), version)

    destroyed = asyncio.run(run())
    typer.echo(f"Version {version} is the minimum; older ones destroyed: {destroyed}.")


def _rotated(tenants: list[str] | tuple[()], provider: str | None, *, as_json: bool) -> None:
    """No tenants named: all of them."""

    async def run() -> dict[str, int]:
        from domicile.bootstrap import open_office

        done: dict[str, int] = {}
        async with open_office() as office:
            for each in tenants or [found.slug for found in await office.administration.tenants()]:
                done[each] = await _followed(office, each, provider)
        return done

    done = asyncio.run(run())
    if as_json:
        print_json([{"tenant": name, "rewrapped": count} for name, count in done.items()])
    else:
        for name, count in done.items():
            typer.echo(f"{name}: {count} data keys are wrapped by the new version")


async def _followed(office: Office, tenant: str, provider: str | None) -> int:
    progress: AsyncIterator[Progress] = office.rotation.rotate(await office.operator(tenant), provider)
    done = 0
    with progress_bar() as bar:
        task = bar.add_task(tenant, total=None)
        async for each in progress:
            done = each.done
            bar.update(task, completed=each.done, total=each.total)
    return done


def _renewed(root: str, *, as_json: bool) -> None:
    async def run() -> int:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            if root:
                await office.rotation.rotate_root(root)
            renewed = await office.rotation.renew_cell()
            for each in await office.administration.tenants():
                renewed += await office.rotation.renew(await office.operator(each.slug))
            return renewed

    renewed = asyncio.run(run())
    if as_json:
        print_json({"renewed": renewed})
        return
    typer.echo(f"{renewed} tenant keys are wrapped by the newest root key.")
    if root:
        typer.echo("Back the provider's key up again: what was wrapped now needs its newest version.")


@contextmanager
def progress_bar() -> Iterator[Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        yield bar
