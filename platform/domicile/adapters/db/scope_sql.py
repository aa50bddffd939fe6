"""A retrieval scope as a condition on the ``documents`` table. Admits exactly what ``policy.scope.admits`` admits.

No tested column can be NULL, so that SQL's three-valued logic stays two-valued and ``Not`` is what it says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, false, not_, or_, true

from domicile.adapters.db.schema import document_groups, document_labels, documents
from domicile.policy.scope import (
    NUMBERS,
    AllOf,
    AnyOf,
    Between,
    Everything,
    Field,
    Intersects,
    IsEmpty,
    Not,
    Nothing,
    OneOf,
    Scope,
)

_COLUMNS: dict[Field, ColumnElement[Any]] = {
    Field.TENANT: documents.c.tenant_id,
    Field.DOCUMENT: documents.c.id,
    Field.COLLECTION: documents.c.collection_id,
    Field.REGION: documents.c.region,
    Field.CLASSIFICATION: documents.c.classification,
    Field.GROUPS: document_groups.c.group_id,
    Field.OWNER: documents.c.owner_id,
    Field.LABELS: document_labels.c.label,
    Field.PERSONAL_DATA: documents.c.personal_data,
    Field.VALID_FROM: documents.c.valid_from,
    Field.VALID_UNTIL: documents.c.valid_until,
}
#: Where the values of each set are.
_SETS = {Field.GROUPS: document_groups, Field.LABELS: document_labels}


def condition(scope: Scope) -> ColumnElement[bool]:
    """What a row of ``documents`` has to meet."""
    match scope:
        case Everything():
            return true()
        case Nothing():
            return false()
        case OneOf(field, values) | Intersects(field, values):
            return _has_one_of(field, values)
        case Between(field, low, high):
            return _between(field, low, high)
        case IsEmpty(field):
            return not_(_in_set(field)) if field in _SETS else false()
        case AllOf(parts):
            return and_(true(), *map(condition, parts))
        case AnyOf(parts):
            # Empty means deny.
            return or_(false(), *map(condition, parts))
        case Not(part):
            return not_(condition(part))
        case _:
            assert_never(scope)


def _between(field: Field, low: int | None, high: int | None) -> ColumnElement[bool]:
    value = _COLUMNS[field]
    at_least = true() if low is None else value >= _bounded(field, low)
    at_most = true() if high is None else value <= _bounded(field, high)
    return and_(at_least, at_most)


def _bounded(field: Field, limit: int) -> int:
    """Equivalent for every value there is, and within what the column's type can hold."""
    lowest, highest = NUMBERS[field]
    return max(lowest - 1, min(limit, highest + 1))


def _has_one_of(field: Field, values: frozenset[str]) -> ColumnElement[bool]:
    wanted = [typed for value in sorted(values) if (typed := _typed(field, value)) is not None]
    if not wanted:
        return false()
    among = _COLUMNS[field].in_(wanted)
    return _in_set(field, among) if field in _SETS else among


def _in_set(field: Field, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(_SETS[field].c.document_id == documents.c.id, *conditions)


def _typed(field: Field, value: str) -> object | None:
    """The column's own value, or None for text that no document can have in this field: it admits nothing."""
    match field:
        case Field.REGION | Field.LABELS:
            return value if "\x00" not in value else None  # which PostgreSQL's text cannot hold
        case Field.PERSONAL_DATA:
            return {"true": True, "false": False}.get(value)
        case Field.CLASSIFICATION | Field.VALID_FROM | Field.VALID_UNTIL:
            lowest, highest = NUMBERS[field]
            return _parsed(lambda text: n if lowest <= (n := int(text)) <= highest else None, value)
        case _:
            return _parsed(UUID, value)


def _parsed(parse: Callable[[str], object], value: str) -> object | None:
    """What the text is parsed into, if that is written exactly so."""
    try:
        typed = parse(value)
    except ValueError:
        return None
    return typed if str(typed) == value else None
