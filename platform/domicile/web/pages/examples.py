"""Questions to try on the start page, about documents that the visitor may read, in those documents' own language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domicile.domain.documents import Collection
from domicile.domain.errors import Forbidden
from domicile.domain.principals import Caller
from domicile.retrieval.library import DocumentView, Library

_HOW_MANY = 3
#: Collections looked at: each look is one list query and one audit event.
_LOOKED_AT = 6
#: Questions that any document answers, in the languages that documents are most often in here.
_QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "en": ("What is the purpose of “{}”?", "Who does “{}” apply to?", "What does “{}” say?"),
    "de": ("Was regelt „{}“?", "Für wen gilt „{}“?", "Was regelt „{}“?"),
    "fr": ("Que prévoit « {} » ?", "À qui s'applique « {} » ?", "Que prévoit « {} » ?"),
}


async def questions_to_try(caller: Caller, library: Library, collections: Sequence[Collection], language: str) -> list[str]:
    """Up to three, each about a document of another collection, those in the visitor's language first."""
    documents: list[DocumentView] = []
    for collection in collections[:_LOOKED_AT]:
        try:
            page = await library.documents(caller, collection.id, limit=1)
        except Forbidden:
            continue  # a collection that shows to the caller, while listing what is in it is not permitted
        documents += page.documents
    documents.sort(key=lambda each: each.title.language != language)
    return [_question(each, place, language) for place, each in enumerate(documents[:_HOW_MANY])]


def _question(document: DocumentView, place: int, language: str) -> str:
    """In the document's own language, whose words retrieval will find in it."""
    questions = _QUESTIONS.get(document.title.language, _QUESTIONS[language])
    return questions[place].format(document.title.title)
