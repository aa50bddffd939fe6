"""Term weights in the languages of a cell."""

from __future__ import annotations

import subprocess
import sys

import pytest

from domicile.adapters.embeddings.bm25 import Bm25Encoder

ENCODER = Bm25Encoder(("en", "de", "fr"))


def _shared(passage: str, language: str, question: str, encoder: Bm25Encoder = ENCODER) -> int:
    (vector,) = encoder.encode_passages([passage], language)
    return len(set(vector.indices) & set(encoder.encode_query(question).indices))


@pytest.mark.parametrize(
    ("language", "passage", "question", "terms"),
    [
        ("en", "Travelling expenses are reimbursed.", "travel expense reimbursement", 2),
        ("en", "The policies for contractors", "contractor policy", 2),
        ("de", "Anträge auf Urlaubstage", "Urlaubstag Antrag", 2),
        ("de", "Die Häuser an der Straße", "Haus Strasse", 2),
        ("de", "Maßnahmen", "Massnahme", 1),
        ("fr", "Les congés payés des employés", "congé payé employé", 3),
        ("fr", "Les congés payés", "conges payes", 2),
        ("fr", "Remboursement des frais de déplacement", "frais déplacements remboursements", 3),
    ],
)
def test_another_form_of_a_word_is_found(language, passage, question, terms):
    """A question finds the passage whatever the inflection, the accents and the language that it is asked in."""
    assert _shared(passage, language, question) >= terms


@pytest.mark.parametrize("language", ["es", "xx", ""])
def test_a_language_that_is_not_configured_is_found_by_its_words_as_they_are(language):
    """No query is stemmed in Spanish here, so Spanish documents are not stemmed either."""
    assert _shared("Las vacaciones anuales", language, "vacaciones anuales") == 2
    assert _shared("Las vacaciones anuales", language, "anual") == 0


def test_a_configured_language_is_stemmed():
    """With Spanish among the cell's languages, its inflected forms meet."""
    assert _shared("Las vacaciones anuales", "es", "anual", Bm25Encoder(("es",))) == 1


def test_ligatures_and_combined_accents_are_the_letters_that_they_stand_for():
    """Text from PDFs and from other systems' file names is spelt in other code points."""
    assert _shared("The o\ufb03ce", "en", "office") == 1
    assert _shared("conge\u0301s", "fr", "congés") == 1


def test_stop_words_of_the_passages_language_are_no_terms():
    """Words that every document has carry nothing."""
    assert ENCODER.encode_passages(["the and of"], "en")[0].indices == ()


def test_a_word_that_occurs_more_often_weighs_more_but_not_in_proportion():
    """Term frequency saturates, as BM25 has it."""
    once, thrice = ENCODER.encode_passages(["garage entry", "garage garage garage entry"], "en")
    weight = dict(zip(thrice.indices, thrice.values, strict=True))
    other = dict(zip(once.indices, once.values, strict=True))
    (garage,) = ENCODER.encode_passages(["garage"], "en")[0].indices
    assert other[garage] < weight[garage] < 3 * other[garage]


def test_term_ids_are_the_same_in_every_process():
    """Ids are hashes of the terms themselves: an index that was written yesterday is found today."""
    question = "Urlaubstage travel congés"
    code = (
        f"from domicile.adapters.embeddings.bm25 import Bm25Encoder as B; print(B(('en','de','fr')).encode_query({question!r}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == repr(ENCODER.encode_query(question))
