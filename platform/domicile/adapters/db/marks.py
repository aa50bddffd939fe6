"""Marks of documents and collections as columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from domicile.domain.marks import Marks, Validity


def mark_columns(marks: Marks) -> Mapping[str, Any]:
    """The columns that every table with marks has. Groups and labels are sets, and are stored as each table does."""
    return {
        "classification": int(marks.classification),
        "owner_id": marks.owner,
        "personal_data": marks.personal_data,
        "valid_from": marks.validity.start,
        "valid_until": marks.validity.end,
    }


def validity_of(row: Row[Any]) -> Validity:
    return Validity(row.valid_from, row.valid_until)
