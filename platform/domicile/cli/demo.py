"""``domicile demo``: a demonstration cell with two fictional organisations, ready to try."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domicile.cli.declared import decides
from domicile.domain.actions import Action

if TYPE_CHECKING:
    from domicile.access.administration import Administration
    from domicile.bootstrap import Cell
    from domicile.domain.principals import Caller, Tenant

_DATA_DIR = Path("var/demo")
_REGION = "eu-de"
_INGEST_MINUTES = 30


@decides(Action.TENANT_CREATE, Action.MEMBER_CREATE, Action.APIKEY_CREATE, Action.COLLECTION_CREATE, Action.DOCUMENT_CREATE)
def demo(
    port: Annotated[int | None, typer.Option(help="Port to listen on; DOMICILE_PORT if not given.", min=1, max=65535)] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the demonstration cell; var/demo if not given.")] = None,
) -> None:
    """Make a demonstration cell from the sample documents, if there is none yet, and serve it."""
    from domicile.bootstrap import initialise_cell
    from domicile.cli.serve import run_service
    from domicile.config import load_settings

    folder = (data_dir or _DATA_DIR).absolute()
    settings = load_settings(data_dir=folder, region=_REGION, cell="demo", port=port, log_level="warning")

    async def run() -> None:
        await initialise_cell(settings)
        await run_service(settings, prepare=_fill)

    asyncio.run(run())


async def _fill(cell: Cell) -> str:
    """Make what is not there yet and give what to print: with the credentials, if they were made just now."""
    import yaml

    from domicile.config import resource_dir

    folder = resource_dir("samples")
    manifest: dict[str, Any] = yaml.safe_load((folder / "manifest.yaml").read_text("utf-8"))
    known = {tenant.slug: tenant for tenant in await cell.administration.tenants()}
    credentials: list[tuple[str, str, str, str, str]] = []
    if not known:
        typer.echo("Making the demonstration cell and ingesting its documents …")
    for described in manifest["tenants"]:
        tenant = known.get(described["slug"])
        if tenant is None:
            tenant = await cell.administration.create_tenant(described["slug"], described["name"], cell.region)
        credentials += await _make_people(cell.administration, tenant, described)
        await _ingest(cell, tenant, described, folder)
    return _announcement(cell, manifest, credentials)


async def _make_people(
    administration: Administration, tenant: Tenant, described: dict[str, Any]
) -> list[tuple[str, str, str, str, str]]:
    """The groups and users that are not there yet, each user with a random password and an API key.

    Gives (login, role, tenant, password, key) of those made now: an interrupted first start is taken up where it ended.
    """
    from domicile.domain.values import Classification, Role

    operator = administration.operator_caller(tenant)
    for group in set(described["groups"]) - {each.slug for each in await administration.groups(operator)}:
        await administration.create_group(operator, group)
    made = []
    present = {each.login for each in await administration.users(operator)}
    for user in (each for each in described["users"] if each["name"] not in present):
        password = secrets.token_urlsafe(12)
        principal = await administration.create_user(
            operator,
            user["name"],
            user["display"],
            Role(user["role"]),
            Classification.parse(user["clearance"]),
            user["groups"],
            password,
        )
        _, key = await administration.create_api_key(operator, principal.id, "demonstration", None, None, None)
        made.append((user["name"], user["role"], tenant.slug, password, key))
    return made


async def _ingest(cell: Cell, tenant: Tenant, described: dict[str, Any], folder: Path) -> None:
    """Ingest the sample documents as the tenant's administrator, with a key that is good for this only."""
    from domicile.domain.marks import Marking
    from domicile.ingestion.intake import Upload

    operator = cell.administration.operator_caller(tenant)
    caller = await _administrator(cell, operator)
    present = {each.slug for each in await cell.library.collections(caller)}
    jobs = []
    for collection in described["collections"]:
        if collection["slug"] not in present:
            await cell.library.create_collection(caller, collection["slug"])
        target = await cell.library.collection(caller, collection["slug"])
        for (level, groups), files in _by_audience(collection["documents"]).items():
            uploads = [Upload(source=name, content=(folder / name).read_bytes()) for name in files]
            marking = Marking(classification=level, groups=groups)
            jobs.append(await cell.intake.submit(caller, target.id, uploads, marking=marking))
    for job in jobs:
        async for _ in cell.progress.watch(caller, job.id):
            pass
    if caller.credential_id:
        await cell.administration.revoke_api_key(operator, caller.credential_id)


def _by_audience(documents: list[dict[str, Any]]) -> dict[tuple[Any, tuple[str, ...]], list[str]]:
    """Files by classification and groups, which are given once for a whole upload."""
    from domicile.domain.values import Classification

    by_audience: dict[tuple[Any, tuple[str, ...]], list[str]] = defaultdict(list)
    for each in documents:
        by_audience[Classification.parse(each["classification"]), tuple(each.get("groups", ()))].append(each["file"])
    return by_audience


async def _administrator(cell: Cell, operator: Caller) -> Caller:
    """The tenant's administrator, with a key that ends with the ingest."""
    from domicile.access.identity import Origin
    from domicile.domain.values import Role

    people = await cell.administration.users(operator)
    administrator = next(each for each in people if each.role is Role.ADMINISTRATOR)
    expires = datetime.now(UTC) + timedelta(minutes=_INGEST_MINUTES)
    _, key = await cell.administration.create_api_key(operator, administrator.id, "demonstration ingest", None, None, expires)
    return await cell.identity.authenticate_key(key, Origin(request_id="demo", trace_id=""))


def _announcement(cell: Cell, manifest: dict[str, Any], credentials: list[tuple[str, str, str, str, str]]) -> str:
    url = cell.settings.url
    first = manifest["questions"][0]
    question, user = first["question"], first["user"]
    key = next((key for login, _, _, _, key in credentials if login == user), "")
    lines = [f"Domicile serves the demonstration cell in {cell.region} at {url}", ""]
    if credentials:
        lines += ["These passwords and API keys are shown this once:", ""]
        columns = ("login", "role", "tenant", "password", "API key")
        widths = [max(len(row[i]) for row in (columns, *credentials)) for i in range(len(columns))]
        lines += [
            "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            for row in (columns, *credentials)
        ]
        lines += [""]
    else:
        where = f"DOMICILE_DATA_DIR={cell.settings.data_dir} DOMICILE_REGION={cell.region}"
        lines += [
            "Passwords and keys were shown when the cell was made. For new ones:",
            f"  {where} .venv/bin/domicile apikey create --tenant {first['tenant']} --user {user}",
            f"  {where} .venv/bin/domicile user password --tenant {first['tenant']} {user}",
            "",
        ]
    lines += [
        f"Try: {question}",
        f"  in the browser   {url} (sign in as {user})",
        f"  export DOMICILE_URL={url} DOMICILE_API_KEY={key or '…'}",
        f"  .venv/bin/domicile ask '{question}'",
        f'  curl -s {url}/v1/answers -H "Authorization: Bearer $DOMICILE_API_KEY" \\',
        f"    -H 'Content-Type: application/json' -d '{{\"question\": \"{question}\"}}'",
        "",
        "Stop with Ctrl-C.",
    ]
    return "\n".join(lines)
