"""``domicile policy show``, ``set`` and ``history``: a tenant's own policies, from the machine itself.

These need the database only, so they also run beside a running service, which follows within two seconds.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domicile.access.policies import PoliciesView
    from domicile.domain.policies import PolicyVersion, WrittenPolicies

Tenant = Annotated[str, typer.Option("--tenant", "-t", help="The tenant's short name.")]


@decides(Action.POLICY_READ)
def show(tenant: Tenant, as_json: AsJson = False) -> None:
    """Show the policies that are in force for a tenant: the platform's and its own."""

    async def run() -> PoliciesView:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return await office.policies.read(await office.operator(tenant))

    view = asyncio.run(run())
    if as_json:
        print_json(msgspec.to_builtins(view))
        return
    _print_summary(view, tenant)
    rows = [(each.id, each.effect, f"{each.file}:{each.line}", each.reason) for each in (*view.platform, *view.tenant)]
    print_table(("policy", "effect", "where", "reason"), rows)


@decides(Action.POLICY_WRITE, Action.POLICY_READ)
def set_policies(
    tenant: Tenant,
    file: Annotated[Path | None, typer.Argument(help="All of the tenant's policies; '-' for standard input.")] = None,
    restore: Annotated[int | None, typer.Option(help="Write an earlier version again instead of a file.", min=1)] = None,
    expect: Annotated[
        int | None, typer.Option(help="The version that this follows; without it, whichever is the latest.", min=0)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check it, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a tenant's own policies in force, all at once. An empty text takes them all back."""
    if (file is None) == (restore is None):
        raise CallerError("Either a file or a version to restore is needed.", hint="Give FILE, or --restore VERSION.")

    async def run() -> PoliciesView:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            caller = await office.operator(tenant)
            text = _read(file) if file else (await office.policies.version(caller, restore or 0)).text
            if dry_run:
                return await office.policies.propose(caller, text)
            follows = expect if expect is not None else (await office.policies.read(caller)).version
            return await office.policies.write(caller, text, follows)

    view = asyncio.run(run())
    if as_json:
        print_json(msgspec.to_builtins(view))
    elif dry_run:
        typer.echo(f"All is in order, policies: {len(view.tenant)}. With them the digest would be {view.bundle_digest}.")
    else:
        _print_summary(view, tenant)


@decides(Action.POLICY_READ)
def history(
    tenant: Tenant,
    version: Annotated[int | None, typer.Option(help="Print the text of that version instead.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """List the versions of a tenant's own policies, the newest first, or print one of them."""

    async def run() -> tuple[Sequence[PolicyVersion], WrittenPolicies | None]:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            caller = await office.operator(tenant)
            if version is not None:
                return [], await office.policies.version(caller, version)
            return await office.policies.history(caller), None

    versions, one = asyncio.run(run())
    if as_json:
        print_json(msgspec.to_builtins(one or versions))
    elif one:
        sys.stdout.write(one.text)
    else:
        rows = [(each.version, f"{each.created_at:%Y-%m-%d %H:%M:%S}", each.principal_id, each.digest) for each in versions]
        print_table(("version", "time (UTC)", "who", "digest of the text"), rows)


def _read(file: Path) -> str:
    """Raises ``CallerError`` for what is no text that can be read."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise CallerError(f"{file} cannot be read as UTF-8 text.", hint="Check the path and the file.") from None


def _print_summary(view: PoliciesView, tenant: str) -> None:
    own = f"{len(view.tenant)} of its own (version {view.version})" if view.version else "none of its own"
    typer.echo(f"{len(view.platform)} policies of the platform decide for {tenant}, and {own}. Digest: {view.bundle_digest}")
    if not view.in_force:
        typer.echo("Its own do not fit the platform's policies: everything but changing them is denied.")
