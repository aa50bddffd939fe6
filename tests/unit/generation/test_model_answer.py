"""A language model as a generator."""

from __future__ import annotations

from contextlib import aclosing

import pytest
from tests.fakes.generator import ScriptedModel
from tests.fakes.passages import passage

from domicile.domain.errors import ModelStreamBroken, ModelUnavailable
from domicile.generation.model_answer import ModelAnswer
from domicile.ports.generator import Finished, GenerationRequest, TextDelta

REQUEST = GenerationRequest("How long?", [passage("Three days."), passage("Four hours.", name="b")])


async def answer(model: ScriptedModel) -> tuple[str, Finished]:
    *deltas, finished = [event async for event in ModelAnswer(model=model).generate(REQUEST)]
    return "".join(event.text for event in deltas), finished


async def test_an_answer_with_its_citations_and_tokens() -> None:
    """What the model says, as it says it."""
    assert await answer(ScriptedModel("Three ", "days [", "1].")) == ("Three days [1].", Finished(True, 12, 3))


async def test_made_up_marks_are_not_shown() -> None:
    """And do not make an answer of it."""
    assert await answer(ScriptedModel("Three days [", "9].")) == ("Three days.", Finished(False, 12, 3))


async def test_an_answer_without_a_citation_is_no_answer() -> None:
    """Nothing shows what it rests on."""
    assert (await answer(ScriptedModel("The passages do not say.")))[1].answered is False


async def test_a_cut_answer_ends_with_an_ellipsis() -> None:
    """So that nobody takes it for whole."""
    assert (await answer(ScriptedModel("Three [1] and", cut=True)))[0] == "Three [1] and …"


@pytest.mark.parametrize("pieces", [(), (" \n",), ("[7]",)])
async def test_an_empty_answer_is_an_error(pieces: tuple[str, ...]) -> None:
    """Silence is not a way of saying that nothing was found."""
    with pytest.raises(ModelUnavailable):
        await answer(ScriptedModel(*pieces))


async def test_a_broken_stream_breaks_the_answer() -> None:
    """It is never finished."""
    with pytest.raises(ModelStreamBroken):
        await answer(ScriptedModel("Three", failure=ModelStreamBroken()))


async def test_closing_closes_the_models_stream() -> None:
    """Nothing is generated for nobody."""
    model = ScriptedModel("Three ", "days", " [1]")
    async with aclosing(ModelAnswer(model=model).generate(REQUEST)) as events:
        assert isinstance(await anext(events), TextDelta)
    assert model.closed == 1
