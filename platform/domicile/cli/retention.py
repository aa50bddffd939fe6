"""``domicile retention``: how long a tenant's things are kept, from the machine itself.

These need the database and the keys only, so they also run beside a running service.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError
from domicile.domain.retention import Kept
from domicile.domain.values import Classification

if TYPE_CHECKING:
    from domicile.lifecycle.retention import Preview, RetentionView, RuleSaid
    from domicile.lifecycle.retention_run import RunReport

app = typer.Typer(help="How long things are kept.", no_args_is_help=True)

Tenant = Annotated[str, typer.Option("--tenant", "-t", help="The tenant's short name.")]
_FORMS = "documents=3650, documents:COLLECTION=365, documents:*:restricted=90, conversations=180 or audit=400"


@app.command("show")
@decides(Action.RETENTION_READ)
def show(tenant: Tenant, as_json: AsJson = False) -> None:
    """Show how long a tenant's documents, conversations and audit log are kept."""

    async def run() -> RetentionView:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return await office.retention.read(await office.operator(tenant))

    _print_view(asyncio.run(run()), as_json=as_json)


@app.command("set")
@decides(Action.RETENTION_WRITE)
def set_rules(
    tenant: Tenant,
    rules: Annotated[list[str] | None, typer.Argument(help=f"All rules: {_FORMS}. The numbers are days.")] = None,
    forever: Annotated[bool, typer.Option("--forever", help="No rules at all: keep everything.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say how long a tenant's things are kept, all at once: what is not named is kept for ever."""
    if bool(rules) == forever:
        raise CallerError("Either rules or --forever is needed.", hint=f"Rules are written {_FORMS}.")
    said = [_rule(each) for each in rules or ()]

    async def run() -> RetentionView:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return await office.retention.write(await office.operator(tenant), said)

    _print_view(asyncio.run(run()), as_json=as_json)


@app.command("preview")
@decides(Action.RETENTION_READ)
def preview(
    tenant: Tenant,
    limit: Annotated[int, typer.Option(help="How many documents and conversations to list.", min=1, max=100_000)] = 30,
    as_json: AsJson = False,
) -> None:
    """Show what would be removed now. Changes nothing."""
    _preview(tenant, limit, as_json=as_json)


@app.command("run")
@decides(Action.RETENTION_RUN, Action.RETENTION_READ)
def run(
    tenant: Tenant,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what has been kept long enough, as the service does once a day.

    It is gone from sight and unreadable when this ends; a service removes what is left in the index and the blob store with its
    next sweep.
    """
    if dry_run:
        _preview(tenant, 30, as_json=as_json)
        return

    async def carry_out() -> RunReport:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return await office.retention_run.run(await office.administration.tenant(tenant))

    report = asyncio.run(carry_out())
    counted = {"removed": dict(report.removed), "held": dict(report.held), "denied": dict(report.denied)}
    if as_json:
        print_json(counted)
        return
    names = sorted({*report.removed, *report.held, *report.denied})
    typer.echo(f"{report.removed.total()} removed, {report.held.total()} held, {report.denied.total()} denied by policy")
    if names:
        rows = [(name, report.removed[name], report.held[name], report.denied[name]) for name in names]
        print_table(("rule", "removed", "held", "denied"), rows)


def _preview(tenant: str, limit: int, *, as_json: bool) -> None:
    async def look() -> Preview:
        from domicile.bootstrap import open_office

        async with open_office() as office:
            return await office.retention.preview(await office.operator(tenant), limit=limit)

    seen = asyncio.run(look())
    rows = [(each.rule.kept.value, each.id, each.rule.name, (seen.at - each.since).days) for each in seen.due]
    if as_json:
        items = [dict(zip(("kept", "id", "rule", "age_days"), row, strict=True)) for row in rows]
        print_json({"counts": seen.counts, "items": items})
        return
    for name, count in seen.counts.items():
        typer.echo(f"{name}: {count.due} would be removed, {count.held} are held")
    if rows:
        print_table(("what", "id", "rule", "age in days"), rows)


def _rule(text: str) -> RuleSaid:
    """Raises ``CallerError``."""
    from domicile.lifecycle.retention import RuleSaid

    name, _, days = text.partition("=")
    kept, _, narrowed = name.partition(":")
    collection, _, level = narrowed.partition(":")
    if kept not in [*Kept] or not days.isdecimal() or len(days) > 6:
        raise CallerError(f"'{text[:80]}' is no rule.", hint=f"Rules are written {_FORMS}.")
    classification = Classification.parse(level) if level else None
    return RuleSaid(Kept(kept), int(days), None if collection in ("", "*") else collection, classification)


def _print_view(view: RetentionView, *, as_json: bool) -> None:
    if as_json:
        rules = {each.name: each.days for each in view.rules}
        print_json({"audit_floor_days": view.floor_days, "audit_days": view.audit_days, "rules": rules})
        return
    audit = f"for {view.audit_days} days" if view.audit_days else "for ever"
    typer.echo(f"The audit log is kept {audit}, by the operator's floor for {view.floor_days} days at least.")
    if view.rules:
        print_table(("rule", "days"), [(each.name, each.days) for each in view.rules])
    else:
        typer.echo("There are no rules: everything is kept for ever.")
