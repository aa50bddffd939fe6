"""The retrieval scope: which documents a caller may read, as a typed tree that every store's filter is compiled from.

A scope is made by the decision point only. There is no ``None`` scope: one that admits everything has to say ``Everything``,
and the empty alternative ``AnyOf(())`` admits nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from domicile.domain.documents import DocumentAttributes


class Field(StrEnum):
    """The document attributes that a scope can test; the stores index exactly these, under these names."""

    TENANT = "tenant"
    DOCUMENT = "document"
    COLLECTION = "collection"
    REGION = "region"
    CLASSIFICATION = "classification"
    GROUPS = "groups"


@dataclass(frozen=True, slots=True)
class Everything:
    """Admits every document."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Admits no document."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """A single-valued text field (tenant, document, collection, region) has one of these values. No values: admits nothing."""

    field: Field
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Between:
    """``CLASSIFICATION`` lies in the closed interval; ``None`` leaves that side open."""

    field: Field
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Intersects:
    """``GROUPS`` shares at least one value with these. No values: admits nothing."""

    field: Field
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class IsEmpty:
    """``GROUPS`` holds no value."""

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
    """The values of one field as the stores hold them: ids as canonical UUID text, the region by name."""
    match name:
        case Field.TENANT:
            return frozenset({str(document.tenant_id)})
        case Field.DOCUMENT:
            return frozenset({str(document.document_id)})
        case Field.COLLECTION:
            return frozenset({str(document.collection_id)})
        case Field.REGION:
            return frozenset({document.region.name})
        case Field.CLASSIFICATION:
            return frozenset({str(int(document.classification))})
        case Field.GROUPS:
            return frozenset(str(group) for group in document.groups)
        case _:
            assert_never(name)


def admits(scope: Scope, document: DocumentAttributes) -> bool:
    """Whether the scope admits the document: the reference that both stores' filters are tested against."""
    match scope:
        case Everything():
            return True
        case Nothing():
            return False
        case OneOf(name, values) | Intersects(name, values):
            return not values.isdisjoint(field_values(document, name))
        case Between(_, low, high):
            level = int(document.classification)
            return (low is None or low <= level) and (high is None or level <= high)
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
