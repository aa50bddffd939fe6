"""``domicile policy replay``."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from domicile.access.replay import Batch, Change, Period
    from domicile.policy.decision import DecisionPoint

_DURATION = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
#: In words for people; programs get the names.
_SKIPPED = {
    "no-decision": "no decision of policy (failed sign-ins, refused connections, what was not found)",
    "account-gone": "the account is gone",
    "credential-gone": "the narrowed key is gone",
    "resource-gone": "the document or other resource is gone",
    "owner-unknown": "the log does not say whose session",
}


@dataclass
class Report:
    """The sum of all batches."""

    changes: list[Change] = field(default_factory=list)
    replayed: int = 0
    drifted: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, batch: Batch) -> None:
        self.changes += batch.changes
        self.replayed += batch.replayed
        self.drifted += batch.drifted
        self.skipped += Counter({each.value: number for each, number in batch.skipped.items()})


@decides(Action.AUDIT_READ, Action.POLICY_READ, Action.TENANT_READ)
def replay(
    bundle: Annotated[Path, typer.Argument(help="Folder of the policies to try.", exists=True, file_okay=False)],
    since: Annotated[
        str, typer.Option(help="From when on: 2026-11-01, 2026-11-01T12:00Z, or how long ago: 90m, 12h, 30d, 4w.")
    ],
    until: Annotated[str, typer.Option(help="Up to when, written alike; now if not given.")] = "",
    tenant: Annotated[str, typer.Option("--tenant", "-t", help="A tenant's short name; all tenants if not given.")] = "",
    fail_on_change: Annotated[
        bool, typer.Option("--fail-on-change", help="Exit status 1 if any decision would change.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Decide again what the audit log recorded, under other policies, and list every decision that would change.

    Nothing is put in force. Reading the log is itself an entry in it.
    """
    report = asyncio.run(_replayed(bundle, since, until, tenant))
    if as_json:
        print_json({**msgspec.to_builtins(report), "changed": len(report.changes)})
    else:
        _tell(report)
    if fail_on_change and report.changes:
        raise typer.Exit(1)


async def _replayed(bundle: Path, since: str, until: str, tenant: str) -> Report:
    from domicile.bootstrap import candidate_point

    candidate, period, report = candidate_point(bundle), _period(since, until), Report()
    with _progress() as advance:
        async for batch in _batches(candidate, period, tenant):
            report.add(batch)
            advance(batch.fraction)
    return report


async def _batches(candidate: DecisionPoint, period: Period, tenant: str) -> AsyncIterator[Batch]:
    from domicile.bootstrap import open_office

    async with open_office() as office:
        if tenant:
            callers = [await office.operator(tenant)]
        else:
            callers = [await office.operator(each.slug) for each in await office.administration.tenants()]
        async for batch in office.replay.run(callers, candidate, period, whole_cell=not tenant):
            yield batch


def _period(since: str, until: str) -> Period:
    from domicile.access.replay import Period

    now = datetime.now(UTC)
    period = Period(_moment(since, now), _moment(until, now) if until else now)
    if period.since >= period.until:
        raise CallerError("The period ends before it begins.", hint="Give an earlier --since or a later --until.")
    return period


def _moment(text: str, now: datetime) -> datetime:
    """A day or time, in UTC where no zone is given, or a duration before now."""
    try:
        if match := _DURATION.fullmatch(text.strip()):
            return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise CallerError(f"'{text[:40]}' is no time.", hint="Write 2026-11-01, 2026-11-01T12:00Z, 12h or 30d.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """A bar on a terminal, on standard error; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("Replaying", total=1.0)
        yield lambda fraction: progress.update(task, completed=fraction)


def _tell(report: Report) -> None:
    if report.changes:
        columns = ("time (UTC)", "event", "who", "action", "what", "recorded", "in force", "candidate", "policies then",
                   "policies in candidate", "")  # fmt: skip
        print_table(columns, [_row(each) for each in report.changes])
        typer.echo("")
    typer.echo(f"{report.replayed} decisions replayed, {len(report.changes)} would change.")
    if report.drifted:
        since = "under what is in force, too: facts or policies have changed since"
        typer.echo(f"{report.drifted} come out otherwise than recorded {since}.")
    for why, number in sorted(report.skipped.items()):
        typer.echo(f"{number} cannot be replayed: {_SKIPPED[why]}.")


def _row(change: Change) -> tuple[object, ...]:
    return (
        f"{change.time:%Y-%m-%d %H:%M:%S}",
        change.event_id,
        change.principal_id,
        change.action,
        change.resource,
        _said(change.recorded),
        _said(change.in_force),
        _said(change.candidate),
        " ".join(change.recorded_policies) or "none",
        " ".join(change.candidate_policies) or "none",
        "facts or policies have changed since" if change.facts_changed else "",
    )


def _said(permitted: bool) -> str:
    return "permitted" if permitted else "DENIED"
