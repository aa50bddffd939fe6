"""Erasures: what is to be gone for good, how far that has got, and the order of its steps.

The steps are a state machine without any input or output, so that a crash at any moment leaves a row that says where to go on,
and every step may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ErasureKind(StrEnum):
    DOCUMENT = "document"  # with every version, and the conversations that quote it
    SUBJECT = "subject"  # documents and conversations about somebody, and that person's own account
    TENANT = "tenant"  # everything


class ErasureState(StrEnum):
    REQUESTED = "requested"  # waits for somebody else's approval
    APPROVED = "approved"  # is about to begin
    RUNNING = "running"
    DONE = "done"  # read back from every store, with receipts
    REFUSED = "refused"  # nothing was touched


class ErasedStore(StrEnum):
    """Where something is removed, and read back."""

    DATABASE = "database"
    KEYS = "key-store"
    INDEX = "vector-index"
    BLOBS = "blob-store"


class Stage(StrEnum):
    """What a running erasure does now, in this order."""

    ROWS = "rows"  # out of sight, with the order to destroy its keys
    COUNT = "count"  # what the other stores hold of it
    KEYS = "keys"  # unreadable everywhere
    POINTS = "points"
    BLOBS = "blobs"
    READ_BACK = "read-back"  # ask every store


_ORDER = tuple(Stage)
_REMOVES = {
    ErasedStore.DATABASE: Stage.ROWS,
    ErasedStore.KEYS: Stage.KEYS,
    ErasedStore.INDEX: Stage.POINTS,
    ErasedStore.BLOBS: Stage.BLOBS,
}


def following(stage: Stage, found: Mapping[ErasedStore, int]) -> Stage | None:
    """What comes next; None once everything was read back and nothing found.

    ``found`` is what reading back found in each store, and means nothing before that. From the first store that still has
    something on, all is done again.
    """
    if stage is not Stage.READ_BACK:
        return _ORDER[_ORDER.index(stage) + 1]
    again = [_REMOVES[store] for store, count in found.items() if count]
    return min(again, key=_ORDER.index) if again else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """``target`` is the document or tenant; a subject is known by its digest, and ``account`` is the subject's own, if any.

    ``waiting`` is the slug of what keeps it from going on now, or of why it was refused. ``counts`` are by fixed names.
    ``held`` names, as ``kind:id``, what stays because of a legal hold or of policy. ``receipts`` are the canonical bytes of
    a list of signed receipts.
    """

    id: UUID
    tenant_id: UUID
    kind: ErasureKind
    target: UUID | None
    subject: bytes | None
    account: UUID | None
    reason: str
    state: ErasureState
    requested_by: UUID
    requested_at: datetime
    stage: Stage = Stage.ROWS
    approved_by: UUID | None = None
    approved_at: datetime | None = None
    finished_at: datetime | None = None
    waiting: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    receipts: bytes | None = None

    @property
    def is_over(self) -> bool:
        return self.state in (ErasureState.DONE, ErasureState.REFUSED)


class ObjectKind(StrEnum):
    VERSION = "version"  # of a document, published or not
    CONVERSATION = "conversation"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class ErasedObject:
    """One thing whose rows an erasure has removed, kept until its other traces were read back.

    ``id`` is the version, conversation or principal; ``of`` is the document of a version, and else the same as ``id``.
    ``keys`` are all the data keys that something of it may be sealed with.
    """

    kind: ObjectKind
    id: UUID
    of: UUID
    keys: tuple[UUID, ...] = ()
