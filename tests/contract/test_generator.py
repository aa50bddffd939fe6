"""What every generator owes."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import aclosing

import pytest
from tests.fakes.embedder import HashEmbedder
from tests.fakes.generator import ScriptedGenerator, ScriptedModel
from tests.fakes.passages import passage

from domicile.domain.values import Region
from domicile.generation.extractive import ExtractiveGenerator
from domicile.generation.model_answer import ModelAnswer
from domicile.ports.generator import Finished, GenerationRequest, Generator, TextDelta, Turn

REQUEST = GenerationRequest(
    "How is travel time recorded?",
    [passage("Travel time is recorded in the log."), passage("Meals are paid.", name="meals")],
    [Turn("And hotels?", "Online [1].")],
    12,
    3,
)
MAKERS: dict[str, Callable[[], Generator]] = {
    "extractive": lambda: ExtractiveGenerator(embedder=HashEmbedder(), region=Region("eu-de")),
    "model": lambda: ModelAnswer(model=ScriptedModel("In the log ", "[1].")),
    "fake": ScriptedGenerator,
}


@pytest.fixture(params=MAKERS)
def generator(request: pytest.FixtureRequest) -> Generator:
    return MAKERS[request.param]()


async def test_deltas_then_one_end(generator: Generator) -> None:
    """Text in pieces that are not empty, and ``Finished`` last and once."""
    *deltas, finished = [event async for event in generator.generate(REQUEST)]
    assert isinstance(finished, Finished)
    assert finished.answered
    assert deltas
    assert all(isinstance(event, TextDelta) and event.text for event in deltas)


async def test_only_passages_that_exist_are_cited(generator: Generator) -> None:
    """By their numbers from 1."""
    text = "".join([event.text async for event in generator.generate(REQUEST) if isinstance(event, TextDelta)])
    numbers = {int(number) for number in re.findall(r"\[(\d+)\]", text)}
    assert numbers <= {1, 2}
    assert numbers


async def test_it_can_be_closed_at_any_time(generator: Generator) -> None:
    """Before the first event and after it, and used again."""
    async with aclosing(generator.generate(REQUEST)):
        pass
    async with aclosing(generator.generate(REQUEST)) as events:
        await anext(events)
    assert [event async for event in generator.generate(REQUEST)]


async def test_it_has_a_name_and_a_region(generator: Generator) -> None:
    """Both are shown with every answer; there is no generator without a region."""
    assert generator.name
    assert isinstance(generator.region, Region)


async def test_it_says_whether_it_can_answer(generator: Generator) -> None:
    """Nothing is raised by one that can."""
    await generator.ping()
    await generator.close()
