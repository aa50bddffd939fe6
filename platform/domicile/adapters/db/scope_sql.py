"""A retrieval scope as a condition on the ``documents`` table. Admits exactly what ``policy.scope.admits`` admits.

No tested column can be NULL, so that SQL's three-valued logic stays two-valued and ``Not`` is what it says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, false, not_, or_, true

from domicile.adapters.db.schema import document_groups, documents
from domicile.domain.values import Classification
from domicile.policy.scope import AllOf, AnyOf, Between, Everything, Field, Intersects, IsEmpty, Not, Nothing, OneOf, Scope

_COLUMNS: dict[Field, ColumnElement[object]] = {
    Field.TENANT: documents.c.tenant_id,
    Field.DOCUMENT: documents.c.id,
    Field.COLLECTION: documents.c.collection_id,
    Field.REGION: documents.c.region,
    Field.CLASSIFICATION: documents.c.classification,
    Field.GROUPS: document_groups.c.group_id,
}


def condition(scope: Scope) -> ColumnElement[bool]:
    """What a row of ``documents`` has to meet."""
    match scope:
        case Everything():
            return true()
        case Nothing():
            return false()
        case OneOf(field, values) | Intersects(field, values):
            return _has_one_of(field, values)
        case Between(_, low, high):
            return _between(low, high)
        case IsEmpty(field):
            return not_(_in_group()) if field is Field.GROUPS else false()
        case AllOf(parts):
            return and_(true(), *map(condition, parts))
        case AnyOf(parts):
            # Empty means deny.
            return or_(false(), *map(condition, parts))
        case Not(part):
            return not_(condition(part))
        case _:
            assert_never(scope)


def _between(low: int | None, high: int | None) -> ColumnElement[bool]:
    level = documents.c.classification
    at_least = true() if low is None else level >= _bounded(low)
    at_most = true() if high is None else level <= _bounded(high)
    return and_(at_least, at_most)


def _bounded(level: int) -> int:
    """Equivalent for every classification there is, and within what the column's type can hold."""
    return max(min(Classification) - 1, min(level, max(Classification) + 1))


def _has_one_of(field: Field, values: frozenset[str]) -> ColumnElement[bool]:
    wanted = [typed for value in sorted(values) if (typed := _typed(field, value)) is not None]
    if not wanted:
        return false()
    among = _COLUMNS[field].in_(wanted)
    return _in_group(among) if field is Field.GROUPS else among


def _in_group(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(document_groups.c.document_id == documents.c.id, *conditions)


def _classification(value: str) -> int:
    return int(Classification(int(value)))


def _typed(field: Field, value: str) -> object | None:
    """The column's own value, or None for text that no document can have in this field: it admits nothing."""
    parse: Callable[[str], object] = str
    if field is Field.CLASSIFICATION:
        parse = _classification
    elif field is not Field.REGION:
        parse = UUID
    try:
        typed = parse(value)
    except ValueError:
        return None
    return typed if str(typed) == value else None
