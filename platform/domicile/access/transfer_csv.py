"""The transfer register as a table that any spreadsheet opens (RFC 4180), and that none of them executes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from domicile.audit.encoding import timestamp
from domicile.domain.transfers import TransferRecord

#: The columns, in this order; each is a fact of the entry.
COLUMNS = (
    "id",
    "time",
    "kind",
    "from",
    "to",
    "component",
    "amount",
    "unit",
    "entry",
    "basis",
    "reference",
    "tenant_id",
    "principal_id",
    "credential_id",
    "bundle_digest",
    "audit_id",
    "request_id",
)
#: What makes spreadsheets take a cell for a formula, blanks that they skip before it included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NAMES = {"from": "source", "to": "target"}


def heading() -> str:
    """The first line."""
    return _line(COLUMNS)


def line(record: TransferRecord) -> str:
    """One entry."""
    return _line(map(_cell, facts(record).values()))


def facts(record: TransferRecord) -> dict[str, object]:
    """The entry by column."""
    return {name: getattr(record, _NAMES.get(name, name)) for name in COLUMNS} | {"time": timestamp(record.time)}


def _cell(value: object) -> str:
    """An apostrophe before what would be a formula: legal texts and request ids are written by others than the reader."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _line(cells: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
