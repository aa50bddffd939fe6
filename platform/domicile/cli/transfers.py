"""``domicile transfers``."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from domicile.access import transfer_csv
from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action
from domicile.domain.transfers import TransferFilter
from domicile.domain.values import Region
from domicile.policy.regions import DataKind

if TYPE_CHECKING:
    from domicile.domain.transfers import TransferRecord

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@decides(Action.TRANSFER_READ)
def transfers(
    *,
    tenant: Annotated[str, typer.Option("--tenant", "-t", help="The tenant's short name.")],
    kind: Annotated[DataKind | None, typer.Option(help="Only data of this kind.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="Only from this region.")] = None,
    target: Annotated[str | None, typer.Option("--to", help="Only to this region.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="From this day or time on (UTC).", formats=_TIMES, metavar="TIME")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Before this day or time (UTC).", formats=_TIMES, metavar="TIME")
    ] = None,
    last: Annotated[int, typer.Option(help="How many entries, the newest first.", min=1, max=10_000)] = 30,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print all of them as a table for spreadsheets.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what flowed to other regions, and on which legal basis: a tenant's entries, and those of the cell itself.

    Reading them is an entry of the audit log.
    """
    wanted = TransferFilter(
        kind=kind.value if kind else None,
        source=Region(source).name if source else None,
        target=Region(target).name if target else None,
        since=_in_utc(since),
        until=_in_utc(until),
    )
    if as_csv:
        asyncio.run(_write_csv(tenant, wanted))
        return
    records = asyncio.run(_read(tenant, wanted, last))
    if as_json:
        print_json([transfer_csv.facts(each) for each in records])
        return
    columns = ("time (UTC)", "what", "from", "to", "component", "amount", "legal basis", "reference", "who")
    print_table(columns, [_row(each) for each in records])


async def _read(tenant: str, wanted: TransferFilter, last: int) -> list[TransferRecord]:
    from domicile.bootstrap import open_office

    async with open_office() as office:
        return list(await office.transfers.read(await office.operator(tenant), wanted, limit=last))


async def _write_csv(tenant: str, wanted: TransferFilter) -> None:
    from domicile.bootstrap import open_office

    async with open_office() as office:
        entries = await office.transfers.export(await office.operator(tenant), wanted)
        sys.stdout.write(transfer_csv.heading())
        async for each in entries:
            sys.stdout.write(transfer_csv.line(each))


def _in_utc(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time else None


def _row(record: TransferRecord) -> tuple[object, ...]:
    who = record.principal_id or "the cell"
    amount = f"{record.amount} {record.unit.value}"
    basis = f"{record.basis} ({record.entry})"
    return (f"{record.time:%Y-%m-%d %H:%M:%S}", record.kind, record.source, record.target, record.component, amount, basis,
            record.reference, who)  # fmt: skip
