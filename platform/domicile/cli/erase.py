"""``domicile erase``: erasing a document, all about a data subject, or a tenant, from the machine itself.

Where a service has the cell it carries the erasure out, and the command follows; where none has it, the command does it itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
import typer

from domicile.cli.declared import decides, decides_nothing
from domicile.cli.given import content_of, person, public_key
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action
from domicile.domain.erasures import Erasure, ErasureKind, ErasureState, Stage
from domicile.domain.errors import CallerError

if TYPE_CHECKING:
    from domicile.bootstrap.office import Office
    from domicile.domain.principals import Caller
    from domicile.lifecycle.erasures import ErasurePreview, Wanted

app = typer.Typer(help="Erasing for good, with receipts.", no_args_is_help=True)

Tenant = Annotated[str, typer.Option("--tenant", "-t", help="The tenant's short name.")]
Reason = Annotated[str, typer.Option(help="A short name, such as the request's: lower-case letters, digits and hyphens.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")]
ErasureId = Annotated[UUID, typer.Argument(help="The erasure's id.")]
_STAGES = {
    Stage.ROWS: "taking it out of sight",
    Stage.COUNT: "counting what the stores hold",
    Stage.KEYS: "destroying keys",
    Stage.POINTS: "removing points",
    Stage.BLOBS: "removing blobs",
    Stage.READ_BACK: "reading back from each store",
}


@app.command("document")
@decides(Action.ERASURE_CREATE, Action.ERASURE_READ, Action.HOLD_READ, Action.ENDPOINT_USE)
def document(
    document: Annotated[UUID, typer.Argument(help="The document's id.")],
    tenant: Tenant,
    reason: Reason,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase a document with every version, and the conversations that quote it."""
    from domicile.lifecycle.erasures import Wanted

    wanted = Wanted(ErasureKind.DOCUMENT, str(document), reason)
    _erase(tenant, wanted, f"document {document}", dry_run=dry_run, yes=yes, as_json=as_json)


@app.command("subject")
@decides(Action.ERASURE_CREATE, Action.ERASURE_READ, Action.HOLD_READ, Action.ENDPOINT_USE)
def subject(
    subject: Annotated[str, typer.Argument(help="The person, by your own identifier; - to read it from standard input.")],
    tenant: Tenant,
    reason: Reason,
    *,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Login of the person's own account, to go as well.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase the documents and conversations about somebody, and their own account if it is named."""
    from domicile.lifecycle.erasures import Wanted

    wanted = Wanted(ErasureKind.SUBJECT, person(subject), reason, user)
    _erase(tenant, wanted, "everything about that person", dry_run=dry_run, yes=yes, as_json=as_json)


@app.command("tenant")
@decides(Action.TENANT_ERASE, Action.ERASURE_READ, Action.HOLD_READ, Action.ENDPOINT_USE)
def tenant(
    slug: Annotated[str, typer.Argument(help="The tenant's short name.")],
    reason: Reason,
    *,
    yes_erase: Annotated[str, typer.Option("--yes-erase", help="The tenant's short name again: it is meant.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Erase a whole tenant: documents, conversations, people, keys. Its audit log and transfer register stay."""
    from domicile.lifecycle.erasures import Wanted

    if not dry_run and yes_erase != slug:
        raise CallerError(f"Nothing says that '{slug}' is really meant.", hint=f"Give --yes-erase {slug}, or --dry-run.")
    _erase(slug, Wanted(ErasureKind.TENANT, "", reason), f"tenant {slug}", dry_run=dry_run, yes=True, as_json=as_json)


@app.command("status")
@decides(Action.ERASURE_READ)
def status(
    erasure: Annotated[UUID | None, typer.Argument(help="The erasure's id; all of the tenant if not given.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="The tenant's short name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show erasures: one by its id, a tenant's that is erased included, or all of a tenant."""
    if (erasure is None) == (tenant is None):
        raise CallerError("Either an erasure's id or a tenant is needed.", hint="Give an id, or --tenant SLUG.")

    async def run() -> list[Erasure]:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            if erasure is not None:
                return [await office.erasures.get(await office.erasures.operator(erasure), erasure)]
            return list(await office.erasures.list(await office.operator(tenant or "")))

    found = asyncio.run(run())
    if as_json:
        print_json(_told(found[0]) if erasure else [_told(each) for each in found])
        return
    columns = ("id", "what", "which", "state", "now", "waits for", "requested (UTC)", "finished (UTC)")
    print_table(columns, [_row(each) for each in found])
    for each in found[0].held if erasure else ():
        typer.echo(f"stays: {each}")


@app.command("approve")
@decides(Action.ERASURE_APPROVE)
def approve(erasure: ErasureId) -> None:
    """Approve an erasure that somebody else has asked for."""

    async def run() -> None:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            await office.erasures.approve(await office.erasures.operator(erasure), erasure)

    asyncio.run(run())
    typer.echo(f"Erasure {erasure} is approved; 'domicile erase status {erasure}' shows how far it is.")


@app.command("resume")
@decides(Action.ERASURE_READ, Action.ENDPOINT_USE)
def resume(erasure: ErasureId, as_json: AsJson = False) -> None:
    """Follow an erasure to its end, and carry it out if no service has the cell."""

    async def run() -> Erasure:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            caller = await office.erasures.operator(erasure)
        return await _followed(caller, erasure, quiet=as_json)

    _finish(asyncio.run(run()), as_json=as_json)


@app.command("verify")
@decides_nothing("It reads a file and the key that it is given, and no cell.")
def verify(
    file: Annotated[str, typer.Argument(help="The receipts, or the erasure that has them, as JSON; - for standard input.")],
    key: Annotated[str, typer.Option("--key", "-k", help="What /v1/receipts/key gave, in a file; or the key in base64.")],
    as_json: AsJson = False,
) -> None:
    """Check that a cell signed exactly these receipts, and print what they say. Exit status 1 if it did not."""
    from domicile.crypto.erasure_receipt import verify as verified

    given = public_key(key)
    statements = verified(content_of(file), given.verify_key, cell=given.cell, region=given.cell_region)
    if as_json:
        print_json(statements)
        return
    first = statements[0]
    typer.echo(f"Valid: signed by cell '{first.cell}' in {first.cell_region}.")
    rows = [(each.store, each.before, each.removed, each.found_after, each.kept, each.finished_at) for each in statements]
    print_table(("store", "before", "removed", "found after", "kept", "finished"), rows)


def _erase(slug: str, wanted: Wanted, what: str, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    async def look() -> ErasurePreview:
        async with _as_operator(slug) as (office, caller):
            return await office.erasures.preview(caller, wanted)

    async def run() -> Erasure:
        async with _as_operator(slug) as (office, caller):
            erasure = await office.erasures.request(caller, wanted)
        return erasure if erasure.state is ErasureState.REQUESTED else await _followed(caller, erasure.id, quiet=as_json)

    if dry_run or not yes:
        seen = asyncio.run(look())
        if dry_run and as_json:
            print_json(seen)
        else:
            _print_preview(seen, to_errors=as_json)
        if dry_run:
            return
        typer.confirm(f"Erase {what} for good?", abort=True, err=True)
    _finish(asyncio.run(run()), as_json=as_json)


@asynccontextmanager
async def _as_operator(slug: str) -> AsyncIterator[tuple[Office, Caller]]:
    from domicile.bootstrap import open_office

    async with open_office() as office:
        yield office, await office.operator(slug)


async def _followed(caller: Caller, erasure_id: UUID, *, quiet: bool) -> Erasure:
    """The erasure once it is over, with a bar until then."""
    from domicile.bootstrap import open_cell, open_office
    from domicile.config import load_settings

    settings = load_settings()
    if settings.database_url or _is_served(settings.data_dir):
        async with open_office() as office:
            return await _watched(office.erasures.watch(caller, erasure_id), quiet=quiet)
    async with open_cell(settings, command="domicile erase", run_jobs=True) as cell:
        return await _watched(cell.erasures.watch(caller, erasure_id), quiet=quiet)


def _is_served(data_dir: Path) -> bool:
    from domicile.adapters.lock.folder import current_holder

    return current_holder(data_dir) is not None


async def _watched(changes: AsyncIterator[Erasure], *, quiet: bool) -> Erasure:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    shown: Erasure | None = None
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("Erasing", total=len(_STAGES))
        async for erasure in changes:
            shown = erasure
            waits = f" (waits: {erasure.waiting})" if erasure.waiting else ""
            step = len(_STAGES) if erasure.is_over else list(_STAGES).index(erasure.stage)
            progress.update(task, completed=step, description=f"Erasing: {_STAGES[erasure.stage]}{waits}")
    if shown is None:
        raise CallerError("The erasure cannot be followed.", hint="Look at it with 'domicile erase status'.")
    return shown


def _finish(erasure: Erasure, *, as_json: bool) -> None:
    if as_json:
        print_json(_told(erasure))
    elif erasure.state is ErasureState.REQUESTED:
        typer.echo(f"Erasure {erasure.id} waits for somebody else's approval.")
    elif erasure.state is ErasureState.DONE:
        _print_receipts(erasure)
    else:
        typer.echo(f"Erasure {erasure.id} is refused: {erasure.waiting}. Nothing was touched.", err=True)
    if erasure.state is ErasureState.REFUSED:
        raise typer.Exit(1)


def _print_receipts(erasure: Erasure) -> None:
    from domicile.crypto.erasure_receipt import decode

    typer.echo(f"Erasure {erasure.id} is done: read back from each store, and nothing found.")
    statements = [each.statement for each in decode(erasure.receipts or b"[]")]
    rows = [(each.store, each.before, each.removed, each.found_after) for each in statements]
    print_table(("store", "before", "removed", "found after"), rows)
    for each in erasure.held:
        typer.echo(f"stays: {each}")
    typer.echo(f"The signed receipts: domicile erase status {erasure.id} --json")


def _print_preview(seen: ErasurePreview, *, to_errors: bool) -> None:
    rows = [
        ("documents", seen.documents, seen.held_documents),
        ("conversations", seen.conversations, seen.held_conversations),
        ("accounts", seen.accounts, seen.held_accounts),
    ]
    print_table(("what", "found", "held"), rows, to_errors=to_errors)


def _told(erasure: Erasure) -> dict[str, Any]:
    """As the service tells it: without the digest of a subject, which means nothing outside the cell."""
    from domicile.web.api.erasures import erasure_out

    told: dict[str, Any] = msgspec.to_builtins(erasure_out(erasure))
    return told


def _row(each: Erasure) -> tuple[object, ...]:
    finished = f"{each.finished_at:%Y-%m-%d %H:%M:%S}" if each.finished_at else ""
    asked = f"{each.requested_at:%Y-%m-%d %H:%M:%S}"
    return each.id, each.kind, each.target, each.state, _STAGES[each.stage], each.waiting, asked, finished
