"""``/v1/transfers``: what flowed to other regions, and on which legal basis."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, Schema
from litestar.openapi.spec.response import OpenAPIResponse
from litestar.params import QueryParameter, SkipValidation
from litestar.response import Stream
from msgspec import Meta

from domicile.access import transfer_csv
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError
from domicile.domain.transfers import TransferFilter, TransferRecord
from domicile.domain.values import Region
from domicile.policy.regions import DataKind
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who

_CSV = "text/csv"


class TransferOut(msgspec.Struct):
    """``entry``, ``basis`` and ``reference`` are as regions.yaml had them then. ``tenant_id`` is null for the cell's own."""

    id: UUID
    time: datetime
    kind: str
    source: Annotated[str, Meta(description="The region that it came from")] = msgspec.field(name="from")
    target: Annotated[str, Meta(description="The region that it went to")] = msgspec.field(name="to")
    component: Annotated[str, Meta(description="What it went to; empty for a person who looks from there")]
    amount: int
    unit: Annotated[str, Meta(description="What the amount counts: passages, requests, components")]
    entry: str
    basis: str
    reference: str
    tenant_id: UUID | None
    principal_id: UUID | None
    credential_id: UUID | None
    bundle_digest: str
    audit_id: Annotated[UUID, Meta(description="The audit event that was written with it")]
    request_id: str


class TransfersOut(msgspec.Struct):
    items: list[TransferOut]
    next: Annotated[UUID | None, Meta(description="Give it as 'after' for older entries; null on the last page")]


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass
class _ExportOperation(Operation):
    """The same operation gives a table, of which the framework does not know."""

    def __post_init__(self) -> None:
        found = (self.responses or {}).get("200")
        if isinstance(found, OpenAPIResponse) and found.content is not None:
            found.content[_CSV] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


def _wanted(
    kind: Annotated[DataKind | None, QueryParameter(description="Only data of this kind")] = None,
    source: Annotated[str | None, QueryParameter(name="from", max_length=64, description="Only from this region")] = None,
    target: Annotated[str | None, QueryParameter(name="to", max_length=64, description="Only to this region")] = None,
    since: Annotated[str | None, QueryParameter(max_length=40, description="Only from this day or time on (ISO 8601)")] = None,
    until: Annotated[str | None, QueryParameter(max_length=40, description="Only before this day or time (ISO 8601)")] = None,
) -> SkipValidation[TransferFilter]:
    return TransferFilter(
        kind=kind.value if kind else None,
        source=Region(source).name if source is not None else None,
        target=Region(target).name if target is not None else None,
        since=_instant(since),
        until=_instant(until),
    )


def _instant(text: str | None) -> datetime | None:
    """In words of ISO 8601 only: a bare number would be taken for seconds by some and for a year by others."""
    if text is None:
        return None
    try:
        if _DAY.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # no time, or one of the first or last day that there is, in another zone
    raise CallerError(f"'{text}' is no day, and no time with a zone.", hint="Write it like 2026-01-31 or 2026-01-31T12:00:00Z.")


@get(
    "/transfers",
    summary="Read the transfer register",
    tags=["residency"],
    responses=problems()
    | {200: ResponseSpec(TransfersOut, generate_examples=False, description="A page, or all of them as a table")},
    dependencies={"wanted": Provide(_wanted, sync_to_thread=False)},
    operation_class=_ExportOperation,
    opt=decides(Action.TRANSFER_READ),
)
async def list_transfers(
    request: Request[Any, Any, Any],
    visitor: Who,
    cell: Here,
    wanted: NamedDependency[SkipValidation[TransferFilter]],
    after: Annotated[UUID | None, QueryParameter(description="The cursor that the page before gave")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="Entries a page")] = 100,
    as_: Annotated[Literal["json", "csv"], QueryParameter(name="format", description="A page, or all as a table")] = "json",
) -> Response[Any]:
    """The newest entries first; for auditors and administrators. With ``format=csv`` or ``Accept: text/csv`` all of them, as
    a table. Reading them is an event of the audit log."""
    if as_ == "csv" or _CSV in request.headers.get("accept", ""):
        entries = await cell.transfers.export(visitor.caller, wanted)
        named = {"content-disposition": 'attachment; filename="transfers.csv"'}
        return Stream(_table(entries), media_type=f"{_CSV}; header=present", headers=named)
    page = await cell.transfers.read(visitor.caller, wanted, after=after, limit=limit)
    following = page[-1].id if len(page) == limit else None
    return Response(TransfersOut([transfer_out(each) for each in page], following))


def transfer_out(record: TransferRecord) -> TransferOut:
    """The entry as it is on the wire."""
    facts = {name: getattr(record, name) for name in TransferOut.__struct_fields__}
    return TransferOut(**{**facts, "unit": record.unit.value})


async def _table(entries: AsyncIterator[TransferRecord]) -> AsyncIterator[str]:
    yield transfer_csv.heading()
    async for each in entries:
        yield transfer_csv.line(each)
