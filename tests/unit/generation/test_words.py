"""Words and how alike they are."""

from __future__ import annotations

import pytest

from domicile.generation.words import COMPOUND, FORM, SAME, language_of, likeness, names_in, words_of


@pytest.mark.parametrize(
    ("first", "second", "like"),
    [
        ("recording", "records", SAME),
        ("Urlaubstage", "Jahresurlaub", COMPOUND),
        ("Urlaub", "Jahresurlaub", COMPOUND),
        ("travel", "traveller", FORM),
        ("congés", "conge", SAME),
        ("Größe", "Grösse", SAME),
        ("HB-400", "hb-400", SAME),
        ("HB-400", "HB-120", 0.0),
        ("2025", "2026", 0.0),
        ("minimum", "maximum", 0.0),
        ("leave", "sleeve", 0.0),
    ],
)
def test_likeness(first: str, second: str, like: float) -> None:
    """Forms of a word and parts of compounds are alike; codes and figures only if they are the same."""
    (wanted,), (word,) = words_of(first), words_of(second)
    assert likeness(wanted, word) == pytest.approx(like)
    assert likeness(word, wanted) == pytest.approx(like)


def test_a_word_is_found_at_the_start_of_a_compound() -> None:
    """``Jahr`` in ``Jahresurlaub``; who asks for the compound is not answered by its first part."""
    (year,), (leave,) = words_of("Jahr"), words_of("Jahresurlaub")
    assert likeness(year, leave) == COMPOUND
    assert likeness(leave, year) == 0.0


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What does the HB-400 cost in Germany?", ["hb-400", "germany"]),
        ("How is it?", []),
        ("Combien de jours à Kassel ?", ["kassel"]),
        ("Wie viele Urlaubstage habe ich am Standort Kassel?", []),
        ("It is late. Where is Grenoble?", ["grenobl"]),
    ],
)
def test_the_names_in_a_question(question: str, names: list[str]) -> None:
    """Capitals within a sentence, and codes; in German a capital tells nothing."""
    assert names_in(question) == names


def test_small_words_do_not_count() -> None:
    """A question without a telling word has none."""
    assert words_of("What is it that we have to do?") == []
    assert words_of("Was ist das, und wie viele?") == []


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("How many days of leave do I get?", "en"),
        ("Wie viele Urlaubstage habe ich im Jahr?", "de"),
        ("Combien de jours de congés ai-je par an ?", "fr"),
        ("HB-400", "en"),
        ("", "en"),
    ],
)
def test_the_language_of_a_question(question: str, language: str) -> None:
    """By its small words."""
    assert language_of(question) == language
