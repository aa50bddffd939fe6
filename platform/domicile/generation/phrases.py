"""The few sentences that are ours and not the documents', in the language of the question."""

from __future__ import annotations

from domicile.generation.words import language_of

_LEAD = {
    "en": "From the documents:",
    "de": "Aus den Dokumenten:",
    "fr": "D'après les documents :",
}
_CLOSEST_LEAD = {
    "en": "The documents do not answer this in so many words; what comes closest:",
    "de": "Wörtlich beantworten die Dokumente das nicht; am nächsten kommt:",
    "fr": "Les documents n'y répondent pas mot pour mot ; ce qui s'en approche le plus :",
}
_NOTHING = {
    "en": "I found nothing in the documents that answers this question.",
    "de": "In den Dokumenten habe ich nichts gefunden, das diese Frage beantwortet.",
    "fr": "Je n'ai rien trouvé dans les documents qui réponde à cette question.",
}
_SEARCHED = {
    "en": "Searched, within what you may read: {documents} in {collections}.",
    "de": "Durchsucht, soweit Sie es lesen dürfen: {documents} in {collections}.",
    "fr": "Recherche, dans ce que vous pouvez lire : {documents} dans {collections}.",
}
_DOCUMENTS = {
    "en": ("{} document", "{} documents"),
    "de": ("{} Dokument", "{} Dokumente"),
    "fr": ("{} document", "{} documents"),
}
_COLLECTIONS = {
    "en": ("{} collection", "{} collections"),
    "de": ("{} Sammlung", "{} Sammlungen"),
    "fr": ("{} collection", "{} collections"),
}


def lead_in(question: str, *, certain: bool) -> str:
    """What comes before the quoted sentences. It claims nothing about their subject."""
    return (_LEAD if certain else _CLOSEST_LEAD)[language_of(question)]


def nothing_found(question: str, documents: int, collections: int) -> str:
    """Says plainly that there is no answer, and how much was looked through."""
    language = language_of(question)
    searched = _SEARCHED[language].format(
        documents=_counted(_DOCUMENTS[language], documents), collections=_counted(_COLLECTIONS[language], collections)
    )
    return f"{_NOTHING[language]} {searched}"


def _counted(forms: tuple[str, str], count: int) -> str:
    return forms[count != 1].format(count)
