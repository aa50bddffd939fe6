"""A retrieval scope as a Qdrant filter, exactly: whatever the filter admits, ``policy.scope.admits`` admits, and nothing less.

The scope is first reduced, so that no engine ever meets a degenerate condition (an empty ``should`` means *everything* to
Qdrant, where the scope's empty alternative means *nothing*). Both engines speak the same language in different classes;
a ``Dialect`` is those few classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar, assert_never

from domicile.adapters.qdrant.points import ABSENT_NUMBER, ABSENT_TEXT
from domicile.policy.scope import (
    NUMBERS,
    SETS,
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

Condition = Any
FilterT_co = TypeVar("FilterT_co", covariant=True)


class Dialect(Protocol, Generic[FilterT_co]):
    """The vocabulary of one engine."""

    def one_of(self, key: str, values: Sequence[str] | Sequence[int]) -> Condition:
        """The field holds at least one of these values, of which there is at least one."""
        ...

    def between(self, key: str, low: int | None, high: int | None) -> Condition: ...

    def empty(self, key: str) -> Condition: ...

    def filter(
        self, *, must: Sequence[Condition] = (), should: Sequence[Condition] = (), must_not: Sequence[Condition] = ()
    ) -> FilterT_co:
        """Without any condition it admits everything."""
        ...


def compile_scope(scope: Scope, dialect: Dialect[FilterT_co]) -> FilterT_co:
    """The filter that admits exactly the points of the documents that the scope admits."""
    return _whole(reduce_scope(scope), dialect)


def reduce_scope(scope: Scope) -> Scope:
    """An equivalent scope in which ``Everything`` and ``Nothing`` stand only at the top, and no alternative is empty."""
    match scope:
        case Everything() | Nothing():
            return scope
        case OneOf(name, values) | Intersects(name, values):
            return OneOf(name, _storable(name, values)) if _storable(name, values) else Nothing()
        case Between(_, low, high):
            return Everything() if low is None and high is None else scope
        case IsEmpty(name):
            # Every other field always has its one value.
            return scope if name in SETS else Nothing()
        case AllOf(parts):
            return _all_of(tuple(reduce_scope(part) for part in parts))
        case AnyOf(parts):
            return _any_of(tuple(reduce_scope(part) for part in parts))
        case Not(part):
            return _negated(reduce_scope(part))
        case _:
            assert_never(scope)


def _storable(name: Field, values: frozenset[str]) -> frozenset[str]:
    """The values that the field can hold at all: what is a number is stored as one, every other field as text."""
    if name not in NUMBERS:
        return values
    return frozenset(value for value in values if value.isascii() and value.isdecimal() and str(int(value)) == value)


def _all_of(parts: tuple[Scope, ...]) -> Scope:
    if any(isinstance(part, Nothing) for part in parts):
        return Nothing()
    return _flat(AllOf, tuple(part for part in parts if not isinstance(part, Everything)), Everything())


def _any_of(parts: tuple[Scope, ...]) -> Scope:
    if any(isinstance(part, Everything) for part in parts):
        return Everything()
    return _flat(AnyOf, tuple(part for part in parts if not isinstance(part, Nothing)), Nothing())


def _flat(node: type[AllOf] | type[AnyOf], parts: tuple[Scope, ...], without_parts: Scope) -> Scope:
    if not parts:
        return without_parts
    return parts[0] if len(parts) == 1 else node(parts)


def _negated(scope: Scope) -> Scope:
    match scope:
        case Everything():
            return Nothing()
        case Nothing():
            return Everything()
        case Not(part):
            return part
        case _:
            return Not(scope)


def _whole(scope: Scope, dialect: Dialect[FilterT_co]) -> FilterT_co:
    match scope:
        case Everything():
            return dialect.filter()
        case Nothing():
            return dialect.filter(must_not=[dialect.filter()])
        case AllOf(parts):
            return dialect.filter(must=[_condition(part, dialect) for part in parts])
        case AnyOf(parts):
            return dialect.filter(should=[_condition(part, dialect) for part in parts])
        case Not(part):
            return dialect.filter(must_not=[_condition(part, dialect)])
        case _:
            return dialect.filter(must=[_condition(scope, dialect)])


def _or_absent(name: Field, present: Condition, admitted: bool, dialect: Dialect[FilterT_co]) -> Condition:
    """The condition on a point that holds the field, and whether a point that does not is admitted as well."""
    return dialect.filter(should=[present, dialect.empty(name)]) if admitted else present


def _condition(scope: Scope, dialect: Dialect[FilterT_co]) -> Condition:
    match scope:
        case OneOf(name, values) if name in NUMBERS:
            among = sorted(int(value) for value in values)
            return _or_absent(name, dialect.one_of(name, among), ABSENT_NUMBER.get(name) in among, dialect)
        case OneOf(name, values):
            return _or_absent(name, dialect.one_of(name, sorted(values)), ABSENT_TEXT.get(name) in values, dialect)
        case Between(name, low, high):
            absent = ABSENT_NUMBER.get(name)
            admitted = absent is not None and (low is None or low <= absent) and (high is None or absent <= high)
            return _or_absent(name, dialect.between(name, low, high), admitted, dialect)
        case IsEmpty(name):
            return dialect.empty(name)
        case _:
            return _whole(scope, dialect)
