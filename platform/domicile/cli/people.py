"""``domicile tenant``, ``group``, ``user`` and ``apikey``: the operator's work on the machine itself.

These need the database and the key store only, so they also run beside a running service.
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
from domicile.domain.principals import PrincipalKind
from domicile.domain.values import Classification, Region, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domicile.domain.principals import Group, Principal, Tenant

tenants = typer.Typer(help="Tenants of this cell.", no_args_is_help=True)
groups = typer.Typer(help="Groups of a tenant.", no_args_is_help=True)
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
    home: Annotated[str | None, typer.Option(help="Region that it is at home in; this cell's if not given.")] = None,
    allow: Annotated[list[str] | None, typer.Option(help="A further region for its data; repeatable.")] = None,
) -> None:
    """Make a tenant, at home in this cell's region or allowing it."""

    async def run() -> Tenant:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            region = Region(home) if home else office.region
            tenant = await office.administration.create_tenant(slug, name, region, frozenset(map(Region, allow or ())))
            caller = await office.operator(slug)
            for each in group or []:
                await office.administration.create_group(caller, each)
            return tenant

    tenant = asyncio.run(run())
    typer.echo(f"Tenant {tenant.slug} ({tenant.id}) in {tenant.region}{_also(tenant)}")


@tenants.command("allow")
@decides(Action.TENANT_CREATE)
def allow_regions(
    slug: Annotated[str, typer.Argument(help="The tenant's short name.")],
    regions: Annotated[
        list[str] | None, typer.Argument(help="Every region for its data besides its home; none but that.")
    ] = None,
) -> None:
    """Say where a tenant's data may be and flow besides its home region; what is not named is not allowed any more."""

    async def run() -> Tenant:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            tenant = await office.administration.tenant(slug)
            return await office.administration.allow_regions(tenant, frozenset(map(Region, regions or ())))

    tenant = asyncio.run(run())
    typer.echo(f"Tenant {tenant.slug} in {tenant.region}{_also(tenant)}")


def _also(tenant: Tenant) -> str:
    allowed = ", ".join(sorted(each.name for each in tenant.allowed_regions))
    return f", its data also in {allowed}" if allowed else ""


@tenants.command("list")
@decides(Action.TENANT_READ)
def list_tenants(as_json: AsJson = False) -> None:
    """List the tenants of this cell."""

    async def run() -> list[Tenant]:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return list(await office.administration.tenants())

    found = asyncio.run(run())
    if as_json:
        print_json([{**_row(each), "allowed_regions": sorted(r.name for r in each.allowed_regions)} for each in found])
    else:
        rows = [(*_row(each).values(), " ".join(sorted(r.name for r in each.allowed_regions))) for each in found]
        print_table(("slug", "name", "region", "id", "also allowed"), rows)


def _row(tenant: Tenant) -> dict[str, str]:
    return {"slug": tenant.slug, "name": tenant.name, "region": tenant.region.name, "id": str(tenant.id)}


@groups.command("create")
@decides(Action.MEMBER_CREATE)
def create_group(
    slug: Annotated[str, typer.Argument(help="Short name: lower-case letters, digits and hyphens.")],
    tenant: TenantName,
    within: Annotated[list[str] | None, typer.Option("--in", help="A group that its members are in, too; repeatable.")] = None,
) -> None:
    """Make a group, within others if they are given."""

    async def run() -> None:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            await office.administration.create_group(await office.operator(tenant), slug, within or [])

    asyncio.run(run())
    typer.echo(f"Group {slug}" + (f" in {', '.join(within)}" if within else ""))


@groups.command("nest")
@decides(Action.MEMBER_CREATE)
def nest_group(
    slug: Annotated[str, typer.Argument(help="The inner group.")],
    parent: Annotated[str, typer.Argument(help="The group that its members are to be in, too.")],
    tenant: TenantName,
) -> None:
    """Put a group into another one; takes effect within seconds."""

    async def run() -> None:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            await office.administration.nest_group(await office.operator(tenant), slug, parent)

    asyncio.run(run())
    typer.echo(f"Group {slug} is in {parent}.")


@groups.command("unnest")
@decides(Action.MEMBER_CREATE)
def unnest_group(
    slug: Annotated[str, typer.Argument(help="The inner group.")],
    parent: Annotated[str, typer.Argument(help="The group that it is taken out of.")],
    tenant: TenantName,
) -> None:
    """Take a group out of another one; takes effect within seconds."""

    async def run() -> None:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            await office.administration.unnest_group(await office.operator(tenant), slug, parent)

    asyncio.run(run())
    typer.echo(f"Group {slug} is not in {parent} any more.")


@groups.command("list")
@decides(Action.MEMBER_CREATE)
def list_groups(tenant: TenantName, as_json: AsJson = False) -> None:
    """List a tenant's groups, with those that each one is in."""

    async def run() -> tuple[Sequence[Group], Sequence[tuple[UUID, UUID]]]:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            caller = await office.operator(tenant)
            return await office.administration.groups(caller), await office.administration.nested_groups(caller)

    found, nests = asyncio.run(run())
    names = {each.id: each.slug for each in found}
    above = {each.id: sorted(names[parent] for inner, parent in nests if inner == each.id) for each in found}
    if as_json:
        print_json([{"slug": each.slug, "id": str(each.id), "in": above[each.id]} for each in found])
    else:
        print_table(("group", "id", "in"), [(each.slug, str(each.id), " ".join(above[each.id])) for each in found])


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
    service: Annotated[bool, typer.Option("--service", help="A program, which uses API keys and never signs in.")] = False,
) -> None:
    """Add a user or service to a tenant. The password is asked for, never an argument: arguments show in process lists."""
    level = Classification.parse(clearance)
    secret = _ask_password() if password and not service else None
    kind = PrincipalKind.SERVICE if service else PrincipalKind.USER

    async def run() -> Principal:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            caller = await office.operator(tenant)
            return await office.administration.create_user(caller, login, display, role, level, group or [], secret, kind)

    made = asyncio.run(run())
    typer.echo(f"{made.kind.value.capitalize()} {made.login} ({made.id}), {made.role.value}, clearance {made.clearance.label}")


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
    columns = ("login", "display", "role", "clearance", "id", "kind")
    rows = [(each.login, each.display, each.role.value, each.clearance.label, str(each.id), each.kind.value) for each in found]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)


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
