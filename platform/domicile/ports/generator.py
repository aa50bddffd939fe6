"""Whatever writes the answer from the passages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from domicile.domain.documents import Passage
from domicile.domain.values import Region


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier exchange of the same conversation."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """``passages`` are numbered from 1 in the order given; the answer cites them as ``[n]``.

    ``searched_documents`` and ``searched_collections`` are what an answer names when it says that it found nothing.
    """

    question: str
    passages: Sequence[Passage]
    history: Sequence[Turn] = ()
    searched_documents: int = 0
    searched_collections: int = 0


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Always the last event of a whole answer. ``answered`` is False when the evidence was too weak to answer from."""

    answered: bool
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


GenerationEvent = TextDelta | Finished


class Generator(Protocol):
    """``name`` is shown with every answer: ``extractive``, or the model's name."""

    @property
    def name(self) -> str: ...
    @property
    def region(self) -> Region: ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Deltas, then ``Finished``. Raises ``ModelUnavailable``, ``ModelTimeout`` or ``ModelStreamBroken``.

        Closing the iterator stops the work upstream.
        """
        ...

    async def ping(self) -> None:
        """Raise ``ModelUnavailable`` if it cannot answer now, ``ConfigurationError`` if it serves another model.

        Not for the request path.
        """
        ...

    async def close(self) -> None: ...


class Speaker(StrEnum):
    """Whose words a message holds, by the names that chat endpoints use."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class ChatEnd:
    """Always the last event of a whole reply. ``cut`` is True when the model ran into the limit of tokens."""

    cut: bool
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


ChatEvent = TextDelta | ChatEnd


class ChatModel(Protocol):
    """A language model behind a wire, which knows nothing of passages and citations: a ``Generator`` is built on it."""

    @property
    def name(self) -> str: ...
    @property
    def region(self) -> Region: ...

    def stream(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[ChatEvent, None]:
        """Deltas, then ``ChatEnd``; a model's reasoning is not among them. Raises and closes as ``Generator.generate`` does."""
        ...

    async def ping(self) -> None:
        """As ``Generator.ping``."""
        ...

    async def close(self) -> None: ...
