"""The files of a bundle: their names, which are ids, and the JSON in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import msgspec

from domicile.domain.documents import Collection, Document, DocumentTitle
from domicile.domain.errors import BundleInvalid
from domicile.domain.holds import Hold
from domicile.domain.marks import ALWAYS, NOBODY, Marking, Marks, Validity, label_set
from domicile.domain.retention import RetentionRule
from domicile.domain.values import Classification, Region, slug

Record = TypeVar("Record", bound=msgspec.Struct)

TENANT, ACCOUNT, ACCESS = "tenant.json", "account.json", "access.jsonl"
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NAMES = re.compile(
    rf"tenant\.json|account\.json|access\.jsonl|conversations/{_ID}\.json|documents/{_ID}/(?:original|text\.txt|document\.json)"
)


def is_name(path: str) -> bool:
    """Whether a file of a bundle can be called so. Nothing else is ever opened, let alone written to a disk."""
    return _NAMES.fullmatch(path) is not None


def document_paths(document_id: UUID) -> tuple[str, str, str]:
    """Of its description, its original and its text."""
    folder = f"documents/{document_id}"
    return f"{folder}/document.json", f"{folder}/original", f"{folder}/text.txt"


def conversation_path(conversation_id: UUID) -> str:
    return f"conversations/{conversation_id}.json"


class MarksRecord(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is said about a document or collection: groups by short name, the owner by login, None where there is none.

    ``valid_from`` and ``valid_until`` are ISO 8601 with a zone, None where that side is open.
    """

    classification: str
    groups: tuple[str, ...]
    owner: str | None
    labels: tuple[str, ...]
    personal_data: bool
    valid_from: datetime | None
    valid_until: datetime | None

    @classmethod
    def of(cls, marks: Marks, names: Names) -> MarksRecord:
        return cls(
            classification=marks.classification.label,
            groups=tuple(sorted(names.groups.get(each, str(each)) for each in marks.groups)),
            owner=None if marks.owner == NOBODY else names.logins.get(marks.owner),
            labels=tuple(sorted(marks.labels)),
            personal_data=marks.personal_data,
            valid_from=marks.validity.starts,
            valid_until=marks.validity.ends,
        )

    def marking(self) -> Marking:
        """As somebody says it who brings the document in; raises ``CallerError``."""
        start = self.valid_from.isoformat() if self.valid_from else None
        end = self.valid_until.isoformat() if self.valid_until else None
        return Marking(
            classification=Classification.parse(self.classification),
            groups=self.groups,
            owner=self.owner,
            labels=label_set(self.labels),
            personal_data=self.personal_data,
            validity=Validity.parse(start, end) if start or end else ALWAYS,
        )


class DocumentRecord(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """``document.json``. ``size`` is the original's, in bytes; ``published_at`` is when this version became visible."""

    id: UUID
    collection: str
    title: str
    source: str
    media_type: str
    language: str
    marks: MarksRecord
    region: str
    size: int
    created_at: datetime
    published_at: datetime

    @classmethod
    def of(cls, document: Document, title: DocumentTitle, names: Names) -> DocumentRecord:
        return cls(
            id=document.id,
            collection=names.collections[document.attributes.collection_id],
            title=title.title,
            source=title.source,
            media_type=title.media_type,
            language=title.language,
            marks=MarksRecord.of(document.attributes.marks, names),
            region=document.attributes.region.name,
            size=document.version.size_bytes,
            created_at=document.created_at,
            published_at=document.version.created_at,
        )


class CollectionRecord(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    slug: str
    marks: MarksRecord

    @classmethod
    def of(cls, collection: Collection, names: Names) -> CollectionRecord:
        return cls(slug=collection.slug, marks=MarksRecord.of(collection.marks, names))


class PersonRecord(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An account, without its password and its keys."""

    id: UUID
    login: str
    display: str
    role: str
    kind: str
    clearance: str
    groups: tuple[str, ...]
    disabled: bool


class NestedGroup(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Whoever is in ``group`` is in ``parent``, too."""

    group: str
    parent: str


class RuleRecord(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A retention rule; None of ``collection`` and ``classification`` is any."""

    kept: str
    days: int
    collection: str | None
    classification: str | None

    @classmethod
    def of(cls, rule: RetentionRule, names: Names) -> RuleRecord:
        return cls(
            kept=rule.kept.value,
            days=rule.days,
            collection=names.collections.get(rule.collection) if rule.collection else None,
            classification=None if rule.classification is None else rule.classification.label,
        )


class HoldRecord(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A legal hold, released or not. Whom one on a data subject is about is known by a digest that means nothing elsewhere."""

    id: UUID
    kind: str
    target: UUID | None
    reference: str
    placed_at: datetime
    released_at: datetime | None

    @classmethod
    def of(cls, hold: Hold) -> HoldRecord:
        return cls(
            id=hold.id,
            kind=hold.kind.value,
            target=hold.target,
            reference=hold.reference,
            placed_at=hold.placed_at,
            released_at=hold.released_at,
        )


class TenantRecord(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """``tenant.json``. ``policies`` is the text of the tenant's own ones, in Cedar's syntax."""

    slug: str
    name: str
    region: str
    allowed_regions: tuple[str, ...]
    collections: tuple[CollectionRecord, ...]
    groups: tuple[str, ...]
    nested_groups: tuple[NestedGroup, ...]
    people: tuple[PersonRecord, ...]
    policies: str
    retention: tuple[RuleRecord, ...]
    holds: tuple[HoldRecord, ...]


class Names(msgspec.Struct, frozen=True):
    """A tenant's names by id."""

    groups: Mapping[UUID, str]
    logins: Mapping[UUID, str]
    displays: Mapping[UUID, str]
    collections: Mapping[UUID, str]

    def know(self, documents: Iterable[Document]) -> bool:
        """Whether all that these name is among them: their collection, groups and owners may be newer than the names."""
        return all(
            each.attributes.collection_id in self.collections
            and self.groups.keys() >= each.attributes.groups
            and (each.attributes.owner == NOBODY or each.attributes.owner in self.logins)
            for each in documents
        )


def written(record: msgspec.Struct) -> bytes:
    """The record as a file of the bundle."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def read_document(body: bytes) -> DocumentRecord:
    """Raises ``BundleInvalid``, and ``CallerError`` for names and marks that there cannot be."""
    record = _read(body, DocumentRecord, "A document's description")
    _checked(record.collection, record.marks)
    Region(record.region)
    return record


def read_tenant(body: bytes) -> TenantRecord:
    """Raises ``BundleInvalid``, and ``CallerError`` for names and marks that there cannot be."""
    record = _read(body, TenantRecord, "The tenant's description")
    for each in record.collections:
        _checked(each.slug, each.marks)
    return record


def _checked(collection: str, marks: MarksRecord) -> None:
    """Raises ``CallerError`` for names and marks that there cannot be."""
    slug(collection)
    marks.marking()


def _read(body: bytes, kind: type[Record], what: str) -> Record:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise BundleInvalid(f"{what} does not have the right form.", hint="Import a bundle as a cell has made it.") from None
