"""A language model as a generator: prompt in, answer out with the marks that name no passage taken away."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from domicile.domain.errors import ModelUnavailable
from domicile.domain.values import Region
from domicile.generation.citations import MarkFilter
from domicile.generation.prompt import assemble
from domicile.ports.generator import ChatEnd, ChatModel, Finished, GenerationEvent, GenerationRequest, TextDelta


class ModelAnswer:
    """``prompt_tokens`` bounds the prompt; with the answer's own limit it has to fit the model's context."""

    def __init__(self, *, model: ChatModel, prompt_tokens: int = 6000) -> None:
        self._model = model
        self._prompt_tokens = prompt_tokens

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def region(self) -> Region:
        return self._model.region

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """See ``Generator``. An answer that cites no passage counts as not answered: nothing shows what it rests on."""
        prompt = assemble(request, self._prompt_tokens)
        marks = MarkFilter(prompt.passages)
        said_anything = False
        async with aclosing(self._model.stream(prompt.messages)) as events:
            async for event in events:
                text = marks.feed(event.text) if isinstance(event, TextDelta) else _ending(event, marks)
                said_anything = said_anything or bool(text.strip())
                if text:
                    yield TextDelta(text)
                if isinstance(event, ChatEnd):
                    if not said_anything:
                        raise ModelUnavailable("The language model gave an empty answer.")
                    yield Finished(marks.cited, event.prompt_tokens, event.completion_tokens)

    async def ping(self) -> None:
        """As ``Generator.ping``."""
        await self._model.ping()

    async def close(self) -> None:
        """Closes the model's connections."""
        await self._model.close()


def _ending(end: ChatEnd, marks: MarkFilter) -> str:
    """What was still held; an answer that ran into its limit ends with an ellipsis, so that nobody takes it for whole."""
    return marks.end() + (" …" if end.cut else "")
