"""The pages' words in English and German."""

from __future__ import annotations

from collections.abc import Mapping

from domicile.web.pages.admin_words import ADMIN

LANGUAGES = ("en", "de")

#: Key to (English, German). Placeholders are filled by the templates, which escape what they put in.
_CATALOGUE: dict[str, tuple[str, str]] = {
    "product.promise": (
        "Answers from your organisation's own documents. Nothing leaves the region.",
        "Antworten aus den Dokumenten Ihrer Organisation. Nichts verlässt die Region.",
    ),
    "skip": ("Skip to the answer", "Zur Antwort springen"),
    "menu": ("Menu", "Menü"),
    "menu.close": ("Close", "Schließen"),
    "theme": ("Appearance", "Darstellung"),
    "theme.light": ("Light", "Hell"),
    "theme.dark": ("Dark", "Dunkel"),
    "theme.auto": ("Auto", "Auto"),
    # Sign-in
    "login.title": ("Sign in", "Anmelden"),
    "login.name": ("Login", "Anmeldename"),
    "login.password": ("Password", "Passwort"),
    "login.submit": ("Sign in", "Anmelden"),
    "login.wrong": (
        "Login or password is not right. Check both and try again.",
        "Anmeldename oder Passwort stimmt nicht. Prüfen Sie beides und versuchen Sie es erneut.",
    ),
    "login.throttled": (
        "Too many failed attempts. Wait a few minutes and try again.",
        "Zu viele Fehlversuche. Warten Sie einige Minuten und versuchen Sie es erneut.",
    ),
    "login.signed_out": ("You are signed out.", "Sie sind abgemeldet."),
    "login.needed": ("Sign in to go on.", "Melden Sie sich an, um fortzufahren."),
    "login.hint": (
        "You get both from your administrator.",
        "Beides bekommen Sie von Ihrer Administration.",
    ),
    "logout": ("Sign out", "Abmelden"),
    # Sidebar
    "chat.new": ("New question", "Neue Frage"),
    "chat.history": ("History", "Verlauf"),
    "chat.history.empty": ("Your questions will be listed here.", "Hier erscheinen Ihre Fragen."),
    "chat.history.filter": ("Filter history", "Verlauf filtern"),
    "chat.collections": ("Search in", "Suchen in"),
    "chat.collections.none": ("There is no collection that you may read.", "Es gibt keine Sammlung, die Sie lesen dürfen."),
    "chat.collections.choose": ("Choose at least one collection.", "Wählen Sie mindestens eine Sammlung."),
    "chat.clearance": ("cleared for", "freigegeben für"),
    # Asking
    "chat.title": ("Ask your documents", "Fragen Sie Ihre Dokumente"),
    "chat.subtitle": (
        "Every answer cites the passages it comes from, and only from documents that you may read.",
        "Jede Antwort nennt die Stellen, aus denen sie stammt, und nur aus Dokumenten, die Sie lesen dürfen.",
    ),
    "chat.try": ("Questions to try", "Zum Ausprobieren"),
    "chat.empty_library": (
        "There are no documents yet that you may read. Ask your administrator to ingest some, or to give you access.",
        "Es gibt noch keine Dokumente, die Sie lesen dürfen. Bitten Sie Ihre Administration darum.",
    ),
    "chat.not_for_role": ("Asking is not part of your role", "Fragen gehört nicht zu Ihrer Rolle"),
    "chat.not_for_role.text": (
        "You are signed in, and your role does not read documents. Ask your tenant administrator if it should.",
        "Sie sind angemeldet; Ihre Rolle liest keine Dokumente. Wenden Sie sich an Ihre Administration, wenn sie es soll.",
    ),
    "chat.question": ("Your question", "Ihre Frage"),
    "chat.placeholder": ("Ask your documents …", "Fragen Sie Ihre Dokumente …"),
    "chat.ask": ("Ask", "Fragen"),
    "chat.stop": ("Stop", "Anhalten"),
    "chat.retry": ("Ask again", "Erneut fragen"),
    "chat.copy": ("Copy answer", "Antwort kopieren"),
    "chat.copied": ("Copied", "Kopiert"),
    "chat.delete": ("Delete this conversation", "Diese Unterhaltung löschen"),
    "chat.you_asked": ("You asked", "Sie fragten"),
    "chat.answer": ("Answer", "Antwort"),
    # Steps
    "step.searching": ("Searching the documents that you may read", "Durchsucht die Dokumente, die Sie lesen dürfen"),
    "step.reading.one": ("Reading 1 passage", "Liest 1 Textstelle"),
    "step.reading": ("Reading {n} passages", "Liest {n} Textstellen"),
    "step.answering": ("Answering", "Antwortet"),
    "step.done": ("Answer complete", "Antwort vollständig"),
    # Sources
    "sources": ("Sources", "Quellen"),
    "sources.close": ("Close sources", "Quellen schließen"),
    "sources.cited": ("Cited in the answer", "In der Antwort zitiert"),
    "sources.found": ("Passages that fit best", "Am besten passende Stellen"),
    "sources.considered": ("Also considered", "Außerdem berücksichtigt"),
    "sources.searched": ("What was searched", "Was durchsucht wurde"),
    "sources.searched.text": (
        "{documents} documents that you may read, in {collections} collections.",
        "{documents} Dokumente, die Sie lesen dürfen, in {collections} Sammlungen.",
    ),
    "sources.none": ("No passages were found.", "Es wurden keine Textstellen gefunden."),
    "sources.withdrawn": (
        "Some sources of this answer are not shown: they were removed, or you may no longer read them.",
        "Einige Quellen dieser Antwort werden nicht gezeigt: Sie wurden entfernt oder sind für Sie nicht mehr freigegeben.",
    ),
    "receipt": ("Residency receipt", "Standortnachweis"),
    "receipt.text": (
        "Signed by this cell: what the answer was made from, and where. Whoever has the cell's key can verify it offline.",
        "Von dieser Zelle signiert: woraus die Antwort entstanden ist, und wo. Mit dem Schlüssel der Zelle offline prüfbar.",
    ),
    "source.page": ("page {n}", "Seite {n}"),
    "source.open": ("Open the passage", "Textstelle öffnen"),
    # Badges
    "badge.extractive": ("extractive", "extraktiv"),
    "badge.extractive.help": (
        "Sentences quoted from the documents; no language model was used.",
        "Sätze aus den Dokumenten zitiert; ohne Sprachmodell.",
    ),
    "badge.model.help": ("The language model that wrote the answer.", "Das Sprachmodell, das die Antwort geschrieben hat."),
    "badge.region.help": ("The region that this lies in.", "Die Region, in der dies liegt."),
    "badge.classification.help": ("How sensitive the document is.", "Wie vertraulich das Dokument ist."),
    "classification.public": ("public", "öffentlich"),
    "classification.internal": ("internal", "intern"),
    "classification.confidential": ("confidential", "vertraulich"),
    "classification.restricted": ("restricted", "streng vertraulich"),
    "role.member": ("member", "Mitglied"),
    "role.curator": ("curator", "Redaktion"),
    "role.administrator": ("administrator", "Administration"),
    "role.auditor": ("auditor", "Revision"),
    "role.operator": ("operator", "Betrieb"),
    # States
    "state.nothing": (
        "No answer in the documents that you may read",
        "Keine Antwort in den Dokumenten, die Sie lesen dürfen",
    ),
    "state.nothing.try": (
        "Try other words, choose more collections, or ask whoever owns the document for access.",
        "Versuchen Sie andere Wörter, wählen Sie mehr Sammlungen, oder bitten Sie um Zugang zum Dokument.",
    ),
    "state.refused": ("This was refused", "Das wurde abgelehnt"),
    "state.refused.text": (
        "A policy of your organisation does not permit it. Ask your tenant administrator if you need it.",
        "Eine Regel Ihrer Organisation lässt es nicht zu. Wenden Sie sich an Ihre Administration, wenn Sie es brauchen.",
    ),
    "state.refused.rule": ("Rule", "Regel"),
    "state.model": ("The language model is not available", "Das Sprachmodell ist nicht erreichbar"),
    "state.model.text": (
        "Search still works: the passages that fit best are under Sources. Try the question again in a moment.",
        "Die Suche funktioniert weiterhin: Die passendsten Stellen stehen unter Quellen. Versuchen Sie es gleich noch einmal.",
    ),
    "state.cut": ("The answer was cut off", "Die Antwort wurde abgebrochen"),
    "state.cut.text": (
        "What is shown is incomplete. Ask again.",
        "Das Gezeigte ist unvollständig. Fragen Sie erneut.",
    ),
    "state.lost": ("The connection was lost", "Die Verbindung ist abgerissen"),
    "state.lost.text": (
        "What is shown may be incomplete. Check your network and ask again.",
        "Das Gezeigte ist vielleicht unvollständig. Prüfen Sie Ihr Netz und fragen Sie erneut.",
    ),
    "state.stopped": ("Stopped", "Angehalten"),
    "state.stopped.text": (
        "You stopped this answer; it is incomplete.",
        "Sie haben die Antwort angehalten; sie ist unvollständig.",
    ),
    "state.expired": ("You are no longer signed in", "Sie sind nicht mehr angemeldet"),
    "state.expired.text": ("Sign in again to go on.", "Melden Sie sich erneut an, um fortzufahren."),
    "state.failed": ("That did not work", "Das hat nicht funktioniert"),
    "state.request": ("Request", "Anfrage"),
    # Problems that a visitor of the pages can run into, by slug
    "problem.question-empty": ("Type a question first.", "Geben Sie zuerst eine Frage ein."),
    "problem.question-too-long": ("The question is too long. Shorten it.", "Die Frage ist zu lang. Kürzen Sie sie."),
    "problem.invalid-text": (
        "The question contains characters that cannot be processed.",
        "Die Frage enthält Zeichen, die nicht verarbeitet werden können.",
    ),
    "problem.not-found": (
        "There is nothing here, or you do not have access to it.",
        "Hier gibt es nichts, oder Sie haben keinen Zugang.",
    ),
    "problem.transfer-denied": (
        "This would carry data to another region, and there is no legal basis for that. Ask your administrator.",
        "Damit gingen Daten in eine andere Region, wofür es keine Rechtsgrundlage gibt. Fragen Sie Ihre Administration.",
    ),
    "problem.csrf-rejected": (
        "The form is too old or was not sent from this site. Reload the page and try again.",
        "Das Formular ist veraltet oder kam nicht von dieser Seite. Laden Sie die Seite neu.",
    ),
    "problem.audit-unavailable": (
        "The audit log cannot be written, so nothing is released. Try again in a moment.",
        "Das Prüfprotokoll kann nicht geschrieben werden, daher wird nichts herausgegeben. Versuchen Sie es gleich erneut.",
    ),
    "problem.unavailable": (
        "A part of the service is not available. Try again in a moment.",
        "Ein Teil des Dienstes ist nicht erreichbar. Versuchen Sie es gleich noch einmal.",
    ),
    "problem.internal": (
        "Something went wrong on our side. Try again; if it happens again, give the request id to your operator.",
        "Bei uns ist etwas schiefgegangen. Passiert es erneut, nennen Sie Ihrem Betrieb die Anfrage-ID.",
    ),
    "problem.back": ("Back to the start page", "Zur Startseite"),
    # Document
    "document.back": ("Back to the answer", "Zurück zur Antwort"),
    "document.home": ("Back to the questions", "Zurück zu den Fragen"),
    "document.original": ("Download the original", "Original herunterladen"),
    "document.passage": ("Cited passage", "Zitierte Stelle"),
    "document.to_passage": ("Go to the cited passage", "Zur zitierten Stelle"),
    "document.changed": (
        "This document has changed since it was cited; the passage may have moved.",
        "Das Dokument wurde seit dem Zitat geändert; die Stelle kann sich verschoben haben.",
    ),
    "document.excerpt": (
        "The document is long; this is the part around the passage.",
        "Das Dokument ist lang; gezeigt wird der Teil um die Stelle.",
    ),
    "document.groups": ("Readable by", "Lesbar für"),
    "document.everyone": ("everyone with this clearance", "alle mit dieser Freigabe"),
    "document.source": ("Source", "Quelle"),
}


def words_in(language: str) -> Mapping[str, str]:
    """Every key with its words in that language."""
    index = LANGUAGES.index(language)
    return {key: both[index] for key, both in (_CATALOGUE | ADMIN).items()}


def preferred_language(accept_language: str) -> str:
    """The language that the header likes best among ours (RFC 9110, section 12.5.4); English if it likes neither."""
    best, best_weight = LANGUAGES[0], 0.0
    for choice in accept_language[:200].split(","):
        tag, _, parameters = choice.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        weight = _weight(parameters)
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
