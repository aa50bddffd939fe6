"""What an OpenAI-compatible endpoint sends, as far as it is believed: any field may be missing, unknown ones are ignored."""

from __future__ import annotations

import msgspec

from domicile.ports.generator import ChatMessage

DONE = b"[DONE]"


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None  # SGLang, vLLM before 0.12
    reasoning: str | None = None  # vLLM since then


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Error(msgspec.Struct):
    code: int | str | None = None


class Chunk(msgspec.Struct):
    """One event of a streamed chat completion, or the error that an endpoint sends in its place, with status 200."""

    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: _Error | str | None = None
    object: str | None = None

    @property
    def text(self) -> str:
        """What is part of the answer."""
        return (self.choices[0].delta.content or "") if self.choices else ""

    @property
    def thinking(self) -> bool:
        """Whether the model is at work without showing it."""
        return bool(self.choices) and bool(self.choices[0].delta.reasoning_content or self.choices[0].delta.reasoning)

    @property
    def finish_reason(self) -> str | None:
        return self.choices[0].finish_reason if self.choices else None

    @property
    def failed(self) -> bool:
        return self.error is not None or self.object == "error"


class _Model(msgspec.Struct):
    id: str


class Models(msgspec.Struct):
    """The answer of ``/models``."""

    data: list[_Model] = []


decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_models = msgspec.json.Decoder(Models).decode


def request_body(model: str, messages: list[ChatMessage], max_tokens: int) -> dict[str, object]:
    """A streamed chat completion, as reproducible as the endpoint can make it."""
    return {
        "model": model,
        "messages": [{"role": message.speaker.value, "content": message.text} for message in messages],
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
