"""``domicile tenant``, ``domicile user`` and ``domicile apikey``: the operator's work on the machine itself.

These need the database only, so they also run beside a running service.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError
from domicile.domain.values import Classification, Role

if TYPE_CHECKING:
    from domicile.domain.principals import Principal, Tenant

tenants = typer.Typer(help="Tenants of this cell.", no_args_is_help=True)
users = typer.Typer(help="People and services of a tenant.", no_args_is_help=True)
api_keys = typer.Typer(help="API keys of a tenant.", no_args_is_help=True)

TenantName = Annotated[str, typer.Option("--tenant", "-t", help="The tenant's short name.")]
Login = Annotated[str, typer.Option("--user", "-u", help="The user's login.")]


@tenants.command("create")
@decides(Action.TENANT_CREATE, Action.MEMBER_CREATE)
def create_tenant(
    slug: Annotated[str, typer.Argument(help="Short name: lower-case letters, digits and hyphens.")],
    name: Annotated[str, typer.Option(help="Full name.")],
    group: Annotated[list[str] | None, typer.Option(help="A group to make in it; repeatable.")] = None,
) -> None:
    """Make a tenant in this cell's region."""

    async def run() -> Tenant:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            tenant = await office.administration.create_tenant(slug, name, office.region)
            for each in group or []:
                await office.administration.create_group(office.administration.operator_caller(tenant), each)
            return tenant

    tenant = asyncio.run(run())
    typer.echo(f"Tenant {tenant.slug} ({tenant.id}) in {tenant.region}")


@tenants.command("list")
@decides(Action.TENANT_READ)
def list_tenants(as_json: AsJson = False) -> None:
    """List the tenants of this cell."""

    async def run() -> list[Tenant]:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return list(await office.administration.tenants())

    found = asyncio.run(run())
    rows = [(each.slug, each.name, each.region.name, str(each.id)) for each in found]
    if as_json:
        print_json([dict(zip(("slug", "name", "region", "id"), row, strict=True)) for row in rows])
    else:
        print_table(("slug", "name", "region", "id"), rows)


@users.command("create")
@decides(Action.MEMBER_CREATE, Action.APIKEY_CREATE)
def create_user(
    login: Annotated[str, typer.Argument(help="What the person signs in with.")],
    tenant: TenantName,
    display: Annotated[str, typer.Option(help="The name to show.")],
    role: Annotated[Role, typer.Option(help="What the user is within the tenant.")] = Role.MEMBER,
    clearance: Annotated[str, typer.Option(help="Highest classification that may be read.")] = "internal",
    group: Annotated[list[str] | None, typer.Option(help="A group to join; repeatable.")] = None,
    password: Annotated[bool, typer.Option("--password/--no-password", help="Ask for a password to sign in with.")] = True,
) -> None:
    """Add a user to a tenant. The password is asked for, never an argument: arguments show in process lists."""
    level = Classification.parse(clearance)
    secret = _ask_password() if password else None

    async def run() -> Principal:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            caller = await office.operator(tenant)
            return await office.administration.create_user(caller, login, display, role, level, group or [], secret)

    made = asyncio.run(run())
    typer.echo(f"User {made.login} ({made.id}), {made.role.value}, clearance {made.clearance.label}")


@users.command("password")
@decides(Action.MEMBER_CREATE)
def set_password(login: Annotated[str, typer.Argument(help="The user's login.")], tenant: TenantName) -> None:
    """Give a user a new password; ends the user's sessions."""
    secret = _ask_password()

    async def run() -> None:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            caller = await office.operator(tenant)
            owner = await office.administration.user(caller, login)
            await office.administration.set_password(caller, owner.id, secret)

    asyncio.run(run())
    typer.echo(f"The password of {login} is changed; all sessions are ended.")


@users.command("list")
@decides(Action.MEMBER_CREATE)
def list_users(tenant: TenantName, as_json: AsJson = False) -> None:
    """List a tenant's users."""

    async def run() -> list[Principal]:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return list(await office.administration.users(await office.operator(tenant)))

    found = asyncio.run(run())
    rows = [(each.login, each.display, each.role.value, each.clearance.label, str(each.id)) for each in found]
    if as_json:
        print_json([dict(zip(("login", "display", "role", "clearance", "id"), row, strict=True)) for row in rows])
    else:
        print_table(("login", "display", "role", "clearance", "id"), rows)


@api_keys.command("create")
@decides(Action.APIKEY_CREATE)
def create_api_key(
    tenant: TenantName,
    user: Login,
    label: Annotated[str, typer.Option(help="What the key is for.")] = "command line",
    verb: Annotated[
        list[str] | None, typer.Option(help="An action that the key may be used for; all if none is given.")
    ] = None,
    collection: Annotated[list[str] | None, typer.Option(help="A collection it may be used on; all if none is given.")] = None,
    days: Annotated[int | None, typer.Option(help="Days until it expires; never if not given.", min=1)] = None,
) -> None:
    """Make an API key for a user. It is printed once and stored only as a hash."""

    async def run() -> str:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            caller = await office.operator(tenant)
            owner = await office.administration.user(caller, user)
            ids = await office.administration.collection_ids(caller, collection) if collection else None
            expires = datetime.now(UTC) + timedelta(days=days) if days else None
            verbs = frozenset(verb) if verb else None
            _, secret = await office.administration.create_api_key(caller, owner.id, label, verbs, ids, expires)
            return secret

    typer.echo(asyncio.run(run()))


@api_keys.command("list")
@decides(Action.APIKEY_CREATE)
def list_api_keys(tenant: TenantName, as_json: AsJson = False) -> None:
    """List a tenant's API keys, without their secrets."""

    async def run() -> list[tuple[str, str, str, str, str]]:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            keys = await office.administration.api_keys(await office.operator(tenant))
            return [(str(k.id), k.prefix, k.label, _day(k.expires_at), _day(k.last_used_at)) for k in keys if not k.revoked_at]

    rows = asyncio.run(run())
    if as_json:
        print_json([dict(zip(("id", "prefix", "label", "expires", "last_used"), row, strict=True)) for row in rows])
    else:
        print_table(("id", "prefix", "label", "expires", "last used"), rows)


@api_keys.command("revoke")
@decides(Action.APIKEY_REVOKE)
def revoke_api_key(key_id: Annotated[UUID, typer.Argument(help="The key's id.")], tenant: TenantName) -> None:
    """Revoke an API key; a running service stops accepting it within seconds."""

    async def run() -> None:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            await office.administration.revoke_api_key(await office.operator(tenant), key_id)

    asyncio.run(run())
    typer.echo(f"API key {key_id} is revoked.")


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"


def _ask_password() -> str:
    secret: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if len(secret) < 12:
        raise CallerError("The password is too short.", hint="Use at least 12 characters.")
    return secret
