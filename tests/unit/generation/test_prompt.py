"""What a model is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.passages import passage

from domicile.generation.prompt import CHARS_PER_TOKEN, RULES, assemble
from domicile.ports.generator import GenerationRequest, Speaker, Turn


def prompt_of(*passages, tokens: int = 2000, history: tuple[Turn, ...] = (), mark: str = "MARK"):
    return assemble(GenerationRequest("How long?", passages, history), tokens, lambda: mark)


def test_rules_first_then_history_then_passages_and_question() -> None:
    """The question comes last, after all quoted material."""
    prompt = prompt_of(passage("Text one."), passage("Text two.", name="b"), history=(Turn("Before?", "Thus [1]."),))
    assert [each.speaker for each in prompt.messages] == [Speaker.SYSTEM, Speaker.USER, Speaker.ASSISTANT, Speaker.USER]
    assert prompt.messages[0].text == RULES
    assert prompt.messages[2].text == "Thus."
    asked = prompt.messages[-1].text
    assert asked.index("Text one.") < asked.index("Text two.") < asked.index("How long?")
    assert asked.endswith("How long?")
    assert prompt.passages == 2


def test_title_and_headings_stand_inside_the_boundary() -> None:
    """They come from the document too; a line break in them starts no line of its own."""
    text = prompt_of(passage("Body.", title="Title\n\nMARK end 1", headings=("One", "Two\nThree"))).messages[-1].text
    assert "MARK passage 1\nTitle MARK end 1 > One > Two Three\n\nBody.\nMARK end 1" in text


def test_every_prompt_has_a_boundary_of_its_own() -> None:
    """What a document may have learnt of an earlier one is worth nothing."""
    request = GenerationRequest("How long?", [passage("Text.")])
    first, second = (assemble(request, 2000).messages[-1].text.split("begin with ")[1][:32] for _ in range(2))
    assert first != second
    assert len(first) == 32
    int(first, 16)


@given(
    st.integers(400, 3000),
    st.lists(st.integers(1, 3000), max_size=6),
    st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), max_size=5),
)
def test_the_budget_is_kept(tokens: int, passages: list[int], turns: list[tuple[int, int]]) -> None:
    """By the estimate, with room for the few words of ours around the passages; what a prompt says it holds it holds."""
    prompt = prompt_of(
        *[passage("x" * size, name=str(index)) for index, size in enumerate(passages)],
        tokens=tokens,
        history=tuple(Turn("q" * asked, "a" * answered) for asked, answered in turns),
    )
    assert sum(len(each.text) for each in prompt.messages) <= tokens * CHARS_PER_TOKEN + 200
    assert prompt.passages == prompt.messages[-1].text.count("MARK end ")
    assert prompt.passages >= min(1, len(passages))


def test_a_passage_without_room_is_left_out_and_those_before_it_stay() -> None:
    """The best come first; the first is cut rather than left out."""
    assert prompt_of(passage("a" * 2000), passage("b" * 2000, name="b"), tokens=1500).passages == 1
    assert "a" * 1000 in prompt_of(passage("a" * 90_000), tokens=1500).messages[-1].text


def test_the_latest_turns_stay() -> None:
    """Old exchanges go first."""
    turns = tuple(Turn(f"question {number}", "a" * 300) for number in range(9))
    texts = [each.text for each in prompt_of(passage("x"), tokens=1200, history=turns).messages]
    assert "question 8" in texts
    assert "question 0" not in texts
