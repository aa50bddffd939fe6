"""What the instruments count, and that they change nothing of what passes through them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from domicile.adapters.telemetry.instrumented import InstrumentedGenerator
from domicile.adapters.telemetry.tracing import OpenTelemetry
from domicile.domain.errors import ModelStreamBroken
from domicile.domain.values import Region
from domicile.ports.generator import Finished, GenerationEvent, GenerationRequest, TextDelta

REQUEST = GenerationRequest("How many days?", ())


class Scripted:
    """Says what it was given, and notes when its stream was closed."""

    name = "tiny"
    region = Region("eu-de")

    def __init__(self, *events: GenerationEvent, failure: Exception | None = None) -> None:
        self._events = events
        self._failure = failure
        self.closed = False

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        try:
            for event in self._events:
                yield event
            if self._failure:
                raise self._failure
        finally:
            self.closed = True

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


@pytest.fixture
def telemetry() -> OpenTelemetry:
    return OpenTelemetry("cell", "eu-de")


async def test_tokens_are_counted_by_model_and_kind(telemetry: OpenTelemetry) -> None:
    """The events pass unchanged; the metric carries the model's name and numbers, and no text."""
    events = (TextDelta("thirty days [1]"), Finished(answered=True, prompt_tokens=40, completion_tokens=7))
    generator = InstrumentedGenerator(Scripted(*events), telemetry)
    assert [event async for event in generator.generate(REQUEST)] == list(events)
    metrics = telemetry.render_metrics().decode()
    assert 'gen_ai_client_token_usage_total{gen_ai_request_model="tiny",gen_ai_token_type="input"} 40.0' in metrics
    assert 'domicile_answers_total{domicile_outcome="answered",gen_ai_request_model="tiny"} 1.0' in metrics
    assert "thirty" not in metrics


async def test_an_answer_that_breaks_off_is_not_counted_as_one(telemetry: OpenTelemetry) -> None:
    """The failure passes through as it is."""
    generator = InstrumentedGenerator(Scripted(TextDelta("thir"), failure=ModelStreamBroken()), telemetry)
    with pytest.raises(ModelStreamBroken):
        _ = [event async for event in generator.generate(REQUEST)]
    assert "domicile_answers" not in telemetry.render_metrics().decode()


async def test_closing_the_stream_closes_the_one_upstream(telemetry: OpenTelemetry) -> None:
    """A reader who goes away must not leave a model working."""
    inner = Scripted(TextDelta("a"), TextDelta("b"), Finished(answered=True))
    stream = InstrumentedGenerator(inner, telemetry).generate(REQUEST)
    await anext(stream)
    await stream.aclose()
    assert inner.closed
