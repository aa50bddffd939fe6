"""What an answer consists of, in the order in which it comes."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domicile.answers.receipts import Receipt
from domicile.domain.documents import Passage
from domicile.domain.values import Region
from domicile.generation.citations import Citation


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """``collections`` narrows the search, ``limit`` bounds its passages. ``conversation_id`` goes on with a conversation of the
    caller's; ``remember`` keeps the exchange, in a new conversation if none is named."""

    question: str
    collections: frozenset[UUID] | None = None
    conversation_id: UUID | None = None
    remember: bool = True
    limit: int = 8


@dataclass(frozen=True, slots=True)
class Sources:
    """First of all: the passages, numbered from 1 as the answer cites them, and who will write it, and where.

    ``audit_id`` names the event that recorded their release. ``conversation_id`` is None if nothing is remembered.
    """

    answer_id: UUID
    conversation_id: UUID | None
    passages: tuple[Passage, ...]
    searched_documents: int
    searched_collections: int
    generator: str
    region: Region
    audit_id: UUID


@dataclass(frozen=True, slots=True)
class Delta:
    """A further piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Citations:
    """After the last delta: which passages the answer cites, and which of their words."""

    items: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Receipted:
    """The signed statement of what the answer was made from, and where. Only for a whole answer."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Done:
    """Last of all, and only for a whole answer. ``answered`` is False where the documents held no answer."""

    answered: bool
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


AnswerEvent = Sources | Delta | Citations | Receipted | Done
