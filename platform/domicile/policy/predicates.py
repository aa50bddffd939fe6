"""The single tests of a residual, each compiled into a scope.

All of them raise ``NotCompilable`` for operands that they were not made for. None can fail on a document at run time: that is
what makes a compiled scope and a full decision agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from uuid import UUID

from domicile.domain.values import is_slug
from domicile.policy.algebra import all_of, any_of, between, intersects, negation, one_of
from domicile.policy.operands import ATTRIBUTES, Entity, NotCompilable, Operand, Unknown
from domicile.policy.scope import NUMBERS, SETS, Everything, Field, IsEmpty, Nothing, Scope

#: The entity type that a field's values have; the others hold text, numbers, or true and false.
KINDS = {
    Field.DOCUMENT: "Document",
    Field.TENANT: "Tenant",
    Field.COLLECTION: "Collection",
    Field.GROUPS: "Group",
    Field.OWNER: "User",
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def equals(left: Operand, right: Operand) -> Scope:
    match left, right:
        case Unknown(field), frozenset() if field in SETS and not right:
            return IsEmpty(field)
        case Unknown(field), int() if field in NUMBERS and not isinstance(right, bool):
            return between(field, right, right)
        case Unknown(Field.REGION), str():
            return one_of(Field.REGION, right)
        case Unknown(Field.PERSONAL_DATA), bool():
            return one_of(Field.PERSONAL_DATA, "true" if right else "false")
        case Unknown(field), Entity(kind, id_) if field in KINDS and field not in SETS:
            return one_of(field, *_ids(field, kind, id_))
        case ((bool() | int() | str() | Entity() | frozenset()), Unknown()):
            return equals(right, left)
    raise NotCompilable("'==' cannot be compiled for these operands")


def _ids(field: Field, kind: str, id_: str) -> tuple[str, ...]:
    """The id, if the field can have it: ids of another type, or that are no UUID, equal none of any document."""
    return (id_,) if kind == KINDS[field] and _is_id(id_) else ()


@lru_cache(maxsize=65_536)
def _is_id(text: str) -> bool:
    """Whether it is a UUID as they are written here. The same groups come with each scope."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _members(field: Field, element: Operand) -> tuple[str, ...]:
    """The element as that set holds it, if the set can hold it at all."""
    match field, element:
        case Field.GROUPS, Entity(kind, id_):
            return _ids(Field.GROUPS, kind, id_)
        case Field.LABELS, str():
            return (element,) if is_slug(element) else ()
    raise NotCompilable("a set of the document cannot hold a value of that type")


def _differs(left: Operand, right: Operand) -> Scope:
    return negation(equals(left, right))


def within(field: Field, ancestor: Operand) -> Scope:
    """Whether the entity in that field is the ancestor or below it. A document lies in its tenant and its collection."""
    if not isinstance(ancestor, Entity) or field not in (Field.DOCUMENT, Field.TENANT, Field.COLLECTION):
        raise NotCompilable("'in' needs entities")
    levels = (Field.DOCUMENT, Field.COLLECTION, Field.TENANT) if field is Field.DOCUMENT else (field,)
    return any_of(*(equals(Unknown(level), ancestor) for level in levels))


def contains(container: Operand, element: Operand) -> Scope:
    match container, element:
        case Unknown(field), (str() | Entity()) if field in SETS:
            return intersects(field, *_members(field, element))
        case frozenset(), Unknown():
            return any_of(*(equals(element, each) for each in container))
    raise NotCompilable("'contains' cannot be compiled for these operands")


def _contains_any(left: Operand, right: Operand) -> Scope:
    match left, right:
        case (Unknown(field), frozenset() as values) | (frozenset() as values, Unknown(field)) if field in SETS:
            return intersects(field, *(each for value in values for each in _members(field, value)))
    raise NotCompilable("'containsAny' cannot be compiled for these operands")


def _contains_all(left: Operand, right: Operand) -> Scope:
    match left, right:
        case Unknown(field), frozenset() if field in SETS:
            return all_of(*(contains(left, each) for each in right))
    raise NotCompilable("'containsAll' cannot be compiled for these operands")


def is_empty(operand: Operand) -> Scope:
    match operand:
        case Unknown(field) if field in SETS:
            return IsEmpty(field)
    raise NotCompilable("'isEmpty' needs the document's groups or labels")


def has(operand: Operand, attribute: object) -> Scope:
    if operand != Unknown(Field.DOCUMENT):
        raise NotCompilable("'has' needs the document")
    return Everything() if attribute in ATTRIBUTES else Nothing()


def _ordered(operator: str) -> Callable[[Operand, Operand], Scope]:
    def compare(left: Operand, right: Operand) -> Scope:
        match left, right:
            case Unknown(field), int() if field in NUMBERS and not isinstance(right, bool):
                return _bounded(field, operator, right)
            case int(), Unknown(field) if field in NUMBERS and not isinstance(left, bool):
                return _bounded(field, _MIRRORED[operator], left)
        raise NotCompilable(f"'{operator}' cannot be compiled for these operands")

    return compare


def _bounded(field: Field, operator: str, limit: int) -> Scope:
    match operator:
        case "<":
            return between(field, None, limit - 1)
        case "<=":
            return between(field, None, limit)
        case ">":
            return between(field, limit + 1, None)
        case _:
            return between(field, limit, None)


def is_true(operand: Operand) -> Scope:
    """An attribute that is a condition by itself."""
    if operand != Unknown(Field.PERSONAL_DATA):
        raise NotCompilable("it is not a condition")
    return one_of(Field.PERSONAL_DATA, "true")


BINARY: Mapping[str, Callable[[Operand, Operand], Scope]] = {
    "==": equals,
    "!=": _differs,
    "contains": contains,
    "containsAny": _contains_any,
    "containsAll": _contains_all,
    **{operator: _ordered(operator) for operator in _MIRRORED},
}
