"""The single tests of a residual, each compiled into a scope.

All of them raise ``NotCompilable`` for operands that they were not made for. None can fail on a document at run time: that is
what makes a compiled scope and a full decision agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from domicile.policy.algebra import all_of, any_of, between, intersects, negation, one_of
from domicile.policy.operands import ATTRIBUTES, Entity, NotCompilable, Operand, Unknown
from domicile.policy.scope import Everything, Field, IsEmpty, Nothing, Scope

#: The entity type that a field's values have; the others hold text (region) and numbers (classification).
KINDS = {Field.DOCUMENT: "Document", Field.TENANT: "Tenant", Field.COLLECTION: "Collection", Field.GROUPS: "Group"}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def equals(left: Operand, right: Operand) -> Scope:
    match left, right:
        case Unknown(Field.GROUPS), frozenset() if not right:
            return IsEmpty(Field.GROUPS)
        case Unknown(Field.CLASSIFICATION), int() if not isinstance(right, bool):
            return between(Field.CLASSIFICATION, right, right)
        case Unknown(Field.REGION), str():
            return one_of(Field.REGION, right)
        case Unknown(Field.TENANT | Field.COLLECTION | Field.DOCUMENT as field), Entity(kind, id_):
            return one_of(field, *_ids(field, kind, id_))
        case ((bool() | int() | str() | Entity() | frozenset()), Unknown()):
            return equals(right, left)
    raise NotCompilable("'==' cannot be compiled for these operands")


def _ids(field: Field, kind: str, id_: str) -> tuple[str, ...]:
    """The id, if the field can have it: ids of another type, or that are no UUID, equal none of any document."""
    try:
        return (id_,) if kind == KINDS[field] and str(UUID(id_)) == id_ else ()
    except ValueError:
        return ()


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
        case Unknown(Field.GROUPS), Entity(kind, id_):
            return intersects(Field.GROUPS, *_ids(Field.GROUPS, kind, id_))
        case frozenset(), Unknown():
            return any_of(*(equals(element, each) for each in container))
    raise NotCompilable("'contains' cannot be compiled for these operands")


def _contains_any(left: Operand, right: Operand) -> Scope:
    match left, right:
        case (Unknown() as groups, frozenset() as values) | (frozenset() as values, Unknown() as groups):
            return any_of(*(contains(groups, each) for each in values))
    raise NotCompilable("'containsAny' cannot be compiled for these operands")


def _contains_all(left: Operand, right: Operand) -> Scope:
    match left, right:
        case Unknown(Field.GROUPS), frozenset():
            return all_of(*(contains(left, each) for each in right))
    raise NotCompilable("'containsAll' cannot be compiled for these operands")


def is_empty(operand: Operand) -> Scope:
    if operand != Unknown(Field.GROUPS):
        raise NotCompilable("'isEmpty' needs the document's groups")
    return IsEmpty(Field.GROUPS)


def has(operand: Operand, attribute: object) -> Scope:
    if operand != Unknown(Field.DOCUMENT):
        raise NotCompilable("'has' needs the document")
    return Everything() if attribute in ATTRIBUTES else Nothing()


def _ordered(operator: str) -> Callable[[Operand, Operand], Scope]:
    def compare(left: Operand, right: Operand) -> Scope:
        match left, right:
            case Unknown(Field.CLASSIFICATION), int() if not isinstance(right, bool):
                return _bounded(operator, right)
            case int(), Unknown(Field.CLASSIFICATION) if not isinstance(left, bool):
                return _bounded(_MIRRORED[operator], left)
        raise NotCompilable(f"'{operator}' cannot be compiled for these operands")

    return compare


def _bounded(operator: str, limit: int) -> Scope:
    match operator:
        case "<":
            return between(Field.CLASSIFICATION, None, limit - 1)
        case "<=":
            return between(Field.CLASSIFICATION, None, limit)
        case ">":
            return between(Field.CLASSIFICATION, limit + 1, None)
        case _:
            return between(Field.CLASSIFICATION, limit, None)


BINARY: Mapping[str, Callable[[Operand, Operand], Scope]] = {
    "==": equals,
    "!=": _differs,
    "contains": contains,
    "containsAny": _contains_any,
    "containsAll": _contains_all,
    **{operator: _ordered(operator) for operator in _MIRRORED},
}
