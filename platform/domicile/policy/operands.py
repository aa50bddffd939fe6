"""What the operators of a residual are applied to: the document, its attributes, and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from domicile.policy.scope import Field

Json = Mapping[str, Any]


class NotCompilable(Exception):
    """The residual uses something that no store's filter expresses, or that failed to evaluate."""


class Entity(NamedTuple):
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The document itself (``DOCUMENT``) or one of its attributes."""

    field: Field


Literal = bool | int | str | Entity | frozenset["bool | int | str | Entity"]
Operand = Literal | Unknown

#: A document's attributes in the schema, all of which every document has. The document's own id is not among them.
ATTRIBUTES = {field.value: field for field in Field if field is not Field.DOCUMENT}


def only(expression: Json) -> tuple[str, Any]:
    """The expression's single operator with its arguments. Raises ``NotCompilable``."""
    if len(expression) != 1:
        raise NotCompilable("it is no expression")
    return next(iter(expression.items()))


def operand_of(expression: Json) -> Operand:
    """The operand that the expression stands for. Raises ``NotCompilable``."""
    operator, argument = only(expression)
    match operator, argument:
        case "Value", _:
            return _literal(argument)
        case "Set", list():
            members = [operand_of(each) for each in argument]
            if any(isinstance(each, Unknown | frozenset) for each in members):
                raise NotCompilable("a set holds something unknown")
            return frozenset(members)  # type: ignore[arg-type]  # what is neither unknown nor a set is a member
        case "unknown", [{"Value": "resource"}]:
            return Unknown(Field.DOCUMENT)
        case ".", {"left": {"unknown": [{"Value": "resource"}]}, "attr": str(name)} if name in ATTRIBUTES:
            return Unknown(ATTRIBUTES[name])
    raise NotCompilable(f"'{operator}' is not an attribute of a document or a value")


def _literal(value: object) -> Literal:
    match value:
        case bool() | int() | str():
            return value
        case {"__entity": {"type": str(kind), "id": str(id_)}}:
            return Entity(kind, id_)
        case list():
            return frozenset(_member(each) for each in value)
    raise NotCompilable("a value of that type cannot be compiled")


def _member(value: object) -> bool | int | str | Entity:
    literal = _literal(value)
    if isinstance(literal, frozenset):
        raise NotCompilable("sets of sets cannot be compiled")
    return literal
