"""``domicile hold add``, ``list`` and ``release``: legal holds, from the machine itself.

These need the database and the keys only, so they also run beside a running service.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec
import typer

from domicile.cli.declared import decides
from domicile.cli.given import person
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError
from domicile.domain.holds import Hold, HoldKind

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(help="Legal holds: what must not be deleted, whatever else is asked.", no_args_is_help=True)

Tenant = Annotated[str, typer.Option("--tenant", "-t", help="The tenant's short name.")]
_MOST = 10_000


@app.command("add")
@decides(Action.HOLD_WRITE)
def add(
    tenant: Tenant,
    reference: Annotated[str, typer.Option(help="A short name of the matter: lower-case letters, digits and hyphens.")],
    *,
    document: Annotated[UUID | None, typer.Option(help="Id of the document to keep.")] = None,
    collection: Annotated[str | None, typer.Option(help="Keep every document of this collection.")] = None,
    subject: Annotated[str | None, typer.Option(help="Keep all about this person, by your identifier; - to read it.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Keep all documents and conversations.")] = False,
    as_json: AsJson = False,
) -> None:
    """Place a legal hold."""
    given = [
        (HoldKind.DOCUMENT, str(document) if document else None),
        (HoldKind.COLLECTION, collection),
        (HoldKind.SUBJECT, None if subject is None else person(subject)),
        (HoldKind.TENANT, "" if everything else None),
    ]
    named = [(kind, target) for kind, target in given if target is not None]
    if len(named) != 1:
        raise CallerError("A hold keeps one thing.", hint="Give one of --document, --collection, --subject and --everything.")
    ((kind, target),) = named

    async def run() -> Hold:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return await office.holds.place(await office.operator(tenant), kind, target, reference)

    hold = asyncio.run(run())
    print_json(_told(hold)) if as_json else typer.echo(f"Hold {hold.id} keeps a {hold.kind.value} for {hold.reference}.")


@app.command("list")
@decides(Action.HOLD_READ)
def list_holds(
    tenant: Tenant,
    released: Annotated[bool, typer.Option("--released", help="Also those that keep nothing any more.")] = False,
    as_json: AsJson = False,
) -> None:
    """List a tenant's legal holds, the newest first."""

    async def run() -> Sequence[Hold]:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return await office.holds.list(await office.operator(tenant), released=released, limit=_MOST)

    found = asyncio.run(run())
    if as_json:
        print_json([_told(each) for each in found])
        return
    columns = ("id", "keeps", "which", "matter", "placed (UTC)", "by", "released (UTC)")
    print_table(columns, [_row(each) for each in found])


@app.command("release")
@decides(Action.HOLD_WRITE)
def release(hold: Annotated[UUID, typer.Argument(help="The hold's id.")], tenant: Tenant) -> None:
    """Release a legal hold; it stays on record."""

    async def run() -> Hold:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return await office.holds.release(await office.operator(tenant), hold)

    released = asyncio.run(run())
    typer.echo(f"Hold {released.id} for {released.reference} keeps nothing any more.")


def _told(hold: Hold) -> dict[str, object]:
    """Without the digest of a subject, which means nothing outside the cell."""
    told: dict[str, object] = msgspec.to_builtins(hold)
    del told["subject"]
    return told


def _row(hold: Hold) -> tuple[object, ...]:
    released = f"{hold.released_at:%Y-%m-%d %H:%M:%S}" if hold.released_at else ""
    return (
        hold.id,
        hold.kind.value,
        hold.target,
        hold.reference,
        f"{hold.placed_at:%Y-%m-%d %H:%M:%S}",
        hold.placed_by,
        released,
    )
