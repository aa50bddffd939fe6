"""The retrieval scope: which documents a caller may read, as a typed tree that every store's filter is compiled from.

A scope is made by the decision point only. There is no ``None`` scope: one that admits everything has to say ``Everything``,
and the empty alternative ``AnyOf(())`` admits nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from domicile.domain.documents import DocumentAttributes
from domicile.domain.marks import FOREVER
from domicile.domain.values import Classification


class Field(StrEnum):
    """The document attributes that a scope can test; the stores index exactly these, under these names."""

    TENANT = "tenant"
    DOCUMENT = "document"
    COLLECTION = "collection"
    REGION = "region"
    CLASSIFICATION = "classification"
    GROUPS = "groups"
    OWNER = "owner"
    LABELS = "labels"
    PERSONAL_DATA = "personal_data"
    VALID_FROM = "valid_from"
    VALID_UNTIL = "valid_until"


#: The fields that hold any number of values; every other one holds exactly one.
SETS = frozenset({Field.GROUPS, Field.LABELS})
#: The least and the greatest value of each field of numbers.
NUMBERS = {
    Field.CLASSIFICATION: (int(min(Classification)), int(max(Classification))),
    Field.VALID_FROM: (0, FOREVER),
    Field.VALID_UNTIL: (0, FOREVER),
}


@dataclass(frozen=True, slots=True)
class Everything:
    """Admits every document."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Admits no document."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """A field of one text (an id, the region, ``true`` or ``false``) has one of these values. No values: admits nothing."""

    field: Field
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Between:
    """A field of ``NUMBERS`` lies in the closed interval; ``None`` leaves that side open."""

    field: Field
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Intersects:
    """A field of ``SETS`` shares at least one value with these. No values: admits nothing."""

    field: Field
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class IsEmpty:
    """A field of ``SETS`` holds no value."""

    field: Field


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part admits the document. No parts: admits everything."""

    parts: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part admits the document. No parts: admits nothing, since empty means deny."""

    parts: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Scope


Scope = Everything | Nothing | OneOf | Between | Intersects | IsEmpty | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class RetrievalScope:
    """A scope with where it came from. ``policies`` are those that left a residual; ``bundle_digest`` names their bundle."""

    tree: Scope
    policies: tuple[str, ...]
    bundle_digest: str


def field_values(document: DocumentAttributes, name: Field) -> frozenset[str]:
    """The values of one field as text: ids as UUIDs, the region by name, numbers in decimal, ``true`` or ``false``."""
    if name in NUMBERS:
        return frozenset({str(number(document, name))})
    match name:
        case Field.GROUPS:
            return frozenset(str(group) for group in document.groups)
        case Field.LABELS:
            return document.labels
        case _:
            return frozenset({_TEXTS[name](document)})


_TEXTS: Mapping[Field, Callable[[DocumentAttributes], str]] = {
    Field.TENANT: lambda document: str(document.tenant_id),
    Field.DOCUMENT: lambda document: str(document.document_id),
    Field.COLLECTION: lambda document: str(document.collection_id),
    Field.REGION: lambda document: document.region.name,
    Field.OWNER: lambda document: str(document.owner),
    Field.PERSONAL_DATA: lambda document: "true" if document.personal_data else "false",
}


def number(document: DocumentAttributes, name: Field) -> int:
    """The value of a field of ``NUMBERS``."""
    match name:
        case Field.VALID_FROM:
            return document.validity.start
        case Field.VALID_UNTIL:
            return document.validity.end
        case _:
            return int(document.classification)


def admits(scope: Scope, document: DocumentAttributes) -> bool:
    """Whether the scope admits the document: the reference that both stores' filters are tested against."""
    match scope:
        case Everything():
            return True
        case Nothing():
            return False
        case OneOf(name, values) | Intersects(name, values):
            return not values.isdisjoint(field_values(document, name))
        case Between(name, low, high):
            value = number(document, name)
            return (low is None or low <= value) and (high is None or value <= high)
        case IsEmpty(name):
            return not field_values(document, name)
        case AllOf(parts):
            return all(admits(part, document) for part in parts)
        case AnyOf(parts):
            return any(admits(part, document) for part in parts)
        case Not(part):
            return not admits(part, document)
        case _:
            assert_never(scope)
