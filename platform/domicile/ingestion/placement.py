"""Where documents go and how they are marked: as is said of them, else as their versions are, else as their collection is."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from domicile.domain.documents import Collection, DocumentAttributes
from domicile.domain.errors import AlreadyExists
from domicile.domain.marks import NOBODY, Marks, Validity
from domicile.domain.values import Classification

T = TypeVar("T")

#: The attributes that versions of one document have or will have.
Known = Set[DocumentAttributes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """None keeps the mark that a document has. ``submitter`` owns a new document that has no other owner."""

    collection: Collection
    submitter: UUID = NOBODY
    classification: Classification | None = None
    groups: frozenset[UUID] | None = None
    owner: UUID | None = None
    labels: frozenset[str] | None = None
    personal_data: bool | None = None
    validity: Validity | None = None
    #: Digests; no mark, so nothing is inherited: at its publication a version keeps those of the one that it replaces.
    subjects: frozenset[bytes] | None = None

    @property
    def inherits(self) -> bool:
        said = (self.classification, self.groups, self.owner, self.labels, self.personal_data, self.validity)
        return any(each is None for each in said)

    def attributes(self, document_id: UUID, known: Known) -> DocumentAttributes:
        """A new document has its collection's marks. An unmarked new version never loosens what any other one has.

        ``known`` holds the attributes of the published version and of those still to come. Which of these will be the last is
        not certain yet, so the strictest of their marks is kept. Raises ``AlreadyExists`` where nobody is in the groups of all,
        or no time in the validity of all.
        """
        place = self.collection
        others = [each.marks for each in known] or [place.marks]
        marks = Marks(
            classification=_said(self.classification, max(each.classification for each in others)),
            groups=_shared_groups(others) if self.groups is None else self.groups,
            owner=_said(self.owner, _owner(others, NOBODY if known else self.submitter)),
            labels=_said(self.labels, frozenset[str]().union(*(each.labels for each in others))),
            personal_data=_said(self.personal_data, any(each.personal_data for each in others)),
            validity=_shared_validity(others) if self.validity is None else self.validity,
        )
        return DocumentAttributes.marked(place.tenant_id, document_id, place.id, place.region, marks)


def _said(said: T | None, otherwise: T) -> T:
    return otherwise if said is None else said


def _owner(others: Sequence[Marks], otherwise: UUID) -> UUID:
    """Of several the least, so that the same versions always have the same owner."""
    return min((each.owner for each in others if each.owner != NOBODY), default=otherwise)


def _shared_groups(others: Sequence[Marks]) -> frozenset[UUID]:
    """The groups that every version is open to; none stands for everyone, so that it must not come out of two that differ."""
    limited = [each.groups for each in others if each.groups]
    shared = frozenset.intersection(*limited) if limited else frozenset[UUID]()
    if limited and not shared:
        raise AlreadyExists(
            "Versions of this document for other groups are still to be ingested, so its groups have to be named.",
            hint="Name its groups, or send it again when they are done.",
        )
    return shared


def _shared_validity(others: Sequence[Marks]) -> Validity:
    """The time in which every version is valid."""
    shared = others[0].validity
    for each in others[1:]:
        met = shared.met(each.validity)
        if met is None:
            raise AlreadyExists(
                "Versions of this document for another time are still to be ingested, so its validity has to be given.",
                hint="Give its validity, or send it again when they are done.",
            )
        shared = met
    return shared
