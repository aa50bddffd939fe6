"""Questions to try on the start page, about documents that the visitor may read, in those documents' own language."""

from __future__ import annotations

from collections.abc import Sequence

from domicile.domain.documents import Collection
from domicile.domain.errors import Forbidden
from domicile.domain.principals import Caller
from domicile.retrieval.library import DocumentView, Library
from domicile.web.pages.words import LANGUAGES, words_in

_HOW_MANY = 3
#: Collections looked at: each look is one list query and one audit event.
_LOOKED_AT = 6
_TEMPLATES = ("example.rules", "example.about", "example.who")


async def questions_to_try(caller: Caller, library: Library, collections: Sequence[Collection], language: str) -> list[str]:
    """Up to three, each about a document of another collection. None if there is no document that the caller may read."""
    documents: list[DocumentView] = []
    for collection in collections[:_LOOKED_AT]:
        try:
            page = await library.documents(caller, collection.id, limit=1)
        except Forbidden:
            continue  # a collection that shows to the caller, while listing what is in it is not permitted
        documents += page.documents
        if len(documents) == _HOW_MANY:
            break
    return [_question(each, template, language) for each, template in zip(documents, _TEMPLATES, strict=False)]


def _question(document: DocumentView, template: str, language: str) -> str:
    spoken = document.title.language if document.title.language in LANGUAGES else language
    return words_in(spoken)[template].format(title=document.title.title)
