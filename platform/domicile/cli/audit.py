"""``domicile audit``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action

if TYPE_CHECKING:
    from domicile.audit.events import AuditEntry

app = typer.Typer(help="The audit log.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Every access, refusals included; records only, never content."""


@app.command("show")
@decides(Action.AUDIT_READ)
def show(
    tenant: Annotated[str, typer.Option("--tenant", "-t", help="The tenant's short name.")],
    last: Annotated[int, typer.Option(help="How many entries, the newest first.", min=1, max=10_000)] = 30,
    as_json: AsJson = False,
) -> None:
    """Show the latest entries of a tenant's audit log. Reading it is itself an entry."""

    async def run() -> list[AuditEntry]:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return list(await office.journal.read(await office.operator(tenant), limit=last))

    entries = asyncio.run(run())
    if as_json:
        print_json([{"position": entry.position, **msgspec.to_builtins(entry.event)} for entry in entries])
        return
    columns = ("position", "time (UTC)", "who", "action", "what", "decision", "policies", "documents")
    print_table(columns, [_row(entry) for entry in entries])


def _row(entry: AuditEntry) -> tuple[object, ...]:
    event = entry.event
    who = str(event.principal_id) if event.principal_id else "nobody"
    decision = event.outcome.value if event.outcome.value == "permitted" else event.outcome.value.upper()
    policies = " ".join(event.policies)
    return (entry.position, f"{event.time:%Y-%m-%d %H:%M:%S}", who, event.action.value, event.resource, decision, policies,
            len(event.documents) or "")  # fmt: skip
