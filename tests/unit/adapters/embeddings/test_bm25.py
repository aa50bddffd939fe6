"""BM25 term weights: words meet their inflections in every language of the cell."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.adapters.embeddings.bm25 import Bm25Encoder

CELL = Bm25Encoder(["en", "de", "fr"])


def terms(text, language, encoder=CELL):
    (vector,) = encoder.encode_passages([text], language)
    return set(vector.indices)


def shared(passage, language, question, encoder=CELL):
    return terms(passage, language, encoder) & set(encoder.encode_query(question).indices)


@pytest.mark.parametrize(
    ("language", "written", "asked"),
    [
        ("de", "Urlaubstage", "Urlaubstag"),
        ("de", "Urlaubstag", "Urlaubstage"),
        ("de", "Maßnahmen", "Massnahme"),
        ("de", "Häuser", "Haus"),
        ("de", "Kündigungen", "kündigung"),
        ("de", "Straße", "Strasse"),
        ("fr", "congés", "congé"),
        ("fr", "congés", "conges"),
        ("fr", "remboursements", "remboursement"),
        ("en", "policies", "policy"),
        ("en", "invoices", "Invoice"),
        ("en", "o\N{LATIN SMALL LIGATURE FFI}ce", "office"),
        ("fr", "conge\N{COMBINING ACUTE ACCENT}s", "congés"),
    ],
)
def test_inflected_words_meet(language, written, asked):
    """A question finds a document of its language by another form of the word, without naming the language."""
    assert shared(written, language, asked)


def test_every_word_of_a_phrase_meets():
    """Inflection, accents and the order of the words do not matter."""
    assert len(shared("Les congés payés des employés", "fr", "employé conge payé")) == 3
    assert len(shared("Travelling expenses are reimbursed.", "en", "travel expense reimbursement")) >= 2


def test_a_language_that_the_cell_does_ask_in_is_stemmed():
    """With Spanish among the cell's languages its inflected forms meet, and without it only equal words do."""
    assert shared("Las vacaciones anuales", "es", "anual", Bm25Encoder(["es"]))
    assert not shared("Las vacaciones anuales", "es", "anual")


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Der Jahresurlaub", "Urlaubstage"),
        ("Arbeitstage", "Wie viele Urlaubstage"),
        ("Kündigungsfrist", "Kündigung"),
        ("Urlaub", "Wie viel Resturlaub"),
        ("Größenordnung", "Schuhgröße"),
    ],
)
def test_german_compounds_meet_by_their_parts(written, asked):
    """Also where the question has one part and the document another compound with it."""
    assert shared(written, "de", asked)


def test_a_whole_word_counts_for_more_than_its_parts():
    """Who asks for a compound finds it before others that have a part of it."""
    exact, akin = CELL.encode_passages(["Urlaubstage im Sommer", "Jahresurlaub im Sommer"], "de")
    question = CELL.encode_query("Urlaubstage")
    asked = dict(zip(question.indices, question.values, strict=True))
    scores = [
        sum(weight * asked.get(term, 0.0) for term, weight in zip(each.indices, each.values, strict=True))
        for each in (exact, akin)
    ]
    assert scores[0] > 2 * scores[1] > 0.0


def test_other_languages_are_not_touched_by_german_parts():
    """An English document has no parts, and an English question asks for none."""
    english = Bm25Encoder(["en", "fr"])
    assert terms("The remaining allowance", "en") == terms("The remaining allowance", "en", english)
    question = "What is the remaining allowance of the department?"
    assert not shared("Restanspruch, Departement", "de", question)
    assert shared("Restanspruch, Departement", "de", "Wie hoch ist der Anspruch?")


def test_other_words_do_not_meet():
    """Words that have nothing in common share no term."""
    assert not shared("Urlaubstage", "de", "Rechnung invoice facture")


def test_a_question_holds_its_terms_in_every_language_at_once():
    """The query's terms are those of each language's stemmer and the plain words, each once."""
    question = CELL.encode_query("policies Urlaubstage congés")
    alone = [set(Bm25Encoder([code]).encode_query("policies Urlaubstage congés").indices) for code in ("en", "de", "fr")]
    assert set(question.indices) == set.union(*alone)
    assert list(question.indices) == sorted(set(question.indices))


def test_stop_words_of_a_documents_language_carry_no_weight():
    """Words without meaning are no terms in their own language."""
    assert terms("der und die", "de") == set()
    assert terms("the and of", "en") == set()


def test_a_language_without_a_stemmer_is_split_and_lower_cased():
    """A document in an unknown language is found by its words as they are, in any case."""
    assert shared("Zażółć GĘŚLĄ jaźń", "pl", "gęślą")
    assert not shared("policies", "pl", "police")


def test_a_language_that_the_cell_does_not_ask_in_is_not_stemmed():
    """No query could meet a stem of another language than the cell's, so its documents keep their words."""
    english = Bm25Encoder(["en"])
    assert terms("Urlaubstage", "de", english) == terms("Urlaubstage", "xx", english)
    assert shared("Urlaubstage", "de", "Urlaubstage", english)


def test_without_any_language_words_are_found_as_they_are():
    """A cell without languages still finds exact words."""
    plain = Bm25Encoder([])
    assert shared("Urlaubstage", "de", "urlaubstage", plain)


def test_a_word_that_is_repeated_weighs_more_but_not_in_proportion():
    """Term frequency saturates, as BM25 has it, and length counts against a text."""
    once, thrice, diluted = CELL.encode_passages(["policy", "policy policy policy", "policy " + "filler " * 300], "en")
    assert once.values[0] < thrice.values[0] < 3 * once.values[0]
    weight = dict(zip(diluted.indices, diluted.values, strict=True))
    assert weight[once.indices[0]] < once.values[0]


def test_terms_are_the_same_in_every_process():
    """Term ids are stored, so they may not depend on the process that computed them."""
    program = (
        "from domicile.adapters.embeddings.bm25 import Bm25Encoder; "
        "print(list(Bm25Encoder(['en', 'de', 'fr']).encode_query('policies Urlaubstage').indices))"
    )
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7"}
    printed = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == str(list(CELL.encode_query("policies Urlaubstage").indices))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4), st.sampled_from(["en", "de", "fr", "xx"]))
def test_every_text_has_a_vector_that_an_index_takes(texts, language):
    """One vector per text, term ids of 32 bits and none repeated, weights positive, and twice the same."""
    vectors = CELL.encode_passages(texts, language)
    assert len(vectors) == len(texts)
    for vector in [*vectors, *map(CELL.encode_query, texts)]:
        assert len(vector.indices) == len(vector.values) == len(set(vector.indices))
        assert all(0 <= term < 2**32 for term in vector.indices)
        assert all(value > 0 for value in vector.values)
    assert CELL.encode_passages(texts, language) == vectors
