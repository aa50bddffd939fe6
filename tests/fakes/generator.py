"""Generators and chat models that say what they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from domicile.domain.errors import ModelUnavailable
from domicile.domain.values import Region
from domicile.ports.generator import (
    ChatEnd,
    ChatEvent,
    ChatMessage,
    Finished,
    GenerationEvent,
    GenerationRequest,
    TextDelta,
)

HOME = Region("eu-de")


class ScriptedGenerator:
    """Implements ``Generator``. Says the pieces, then fails with ``failure`` if there is one, else finishes.

    ``requests`` holds what it was asked; ``closed`` counts the answers that were given up on. ``hangs`` makes it wait for ever
    after the last piece.
    """

    def __init__(self, *pieces: str, answered: bool = True, failure: Exception | None = None, region: Region = HOME) -> None:
        self.name = "scripted"
        self.region = region
        self.pieces = pieces or ("It is ", "so [1].")
        self.answered = answered
        self.failure = failure
        self.hangs = False
        self.broken = False
        self.requests: list[GenerationRequest] = []
        self.closed = 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        self.requests.append(request)
        try:
            for piece in self.pieces:
                yield TextDelta(piece)
            if self.hangs:
                await asyncio.Event().wait()
            if self.failure is not None:
                raise self.failure
            yield Finished(self.answered, 12, 3)
        except (GeneratorExit, asyncio.CancelledError):
            self.closed += 1
            raise

    async def ping(self) -> None:
        if self.broken:
            raise ModelUnavailable()

    async def close(self) -> None:
        """Nothing is held open."""


class ScriptedModel:
    """Implements ``ChatModel`` in the same way; ``prompts`` holds what it was sent."""

    def __init__(self, *pieces: str, cut: bool = False, failure: Exception | None = None, region: Region = HOME) -> None:
        self.name = "scripted-model"
        self.region = region
        self.pieces = pieces
        self.cut = cut
        self.failure = failure
        self.broken = False
        self.prompts: list[Sequence[ChatMessage]] = []
        self.closed = 0

    async def stream(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[ChatEvent, None]:
        self.prompts.append(messages)
        try:
            for piece in self.pieces:
                yield TextDelta(piece)
            if self.failure is not None:
                raise self.failure
            yield ChatEnd(self.cut, 12, 3)
        except GeneratorExit:
            self.closed += 1
            raise

    async def ping(self) -> None:
        if self.broken:
            raise ModelUnavailable()

    async def close(self) -> None:
        """Nothing is held open."""
