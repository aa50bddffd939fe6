"""One file to text, title, language and pages. Runs in the confined child only: everything here touches hostile bytes."""

from __future__ import annotations

import html
import re
from typing import Any

from domicile.adapters.parsers.filetypes import HTML, MARKDOWN, Family, FileType, recognise
from domicile.adapters.parsers.frames import Parsed
from domicile.adapters.parsers.pages import page_spans
from domicile.adapters.parsers.plaintext import clean, decode, first_heading, language_of, split_front_matter
from domicile.domain.errors import CallerError, DocumentCorrupt, DocumentEmpty, DocumentEncrypted, ParserLimitExceeded

#: Characters of a title.
_TITLE_LENGTH = 200
#: Read as they are: kreuzberg would add nothing but an escape here and there.
_VERBATIM = frozenset({"text/plain", "text/markdown", "application/json"})
#: Head matter that kreuzberg would print into the text as if it had been written there.
_HTML_HEAD = re.compile(r"<title\b.*?</title\s*>|<(?:meta|link)\b[^>]*>", re.IGNORECASE | re.DOTALL)
_HTML_TITLE = re.compile(r"<title\b[^>]*>(.*?)</title\s*>", re.IGNORECASE | re.DOTALL)
_HTML_LANGUAGE = re.compile(r"""<html\b[^>]*\blang\s*=\s*["']?([a-z]{2})\b""", re.IGNORECASE)
#: Titles that programs write when nobody gave one.
_NO_TITLE = frozenset({"untitled", "powerpoint presentation", "presentation", "document", "unspecified", "(anonymous)"})
#: ISO 639-3, as kreuzberg detects it, to ISO 639-1, for languages that have a stemmer.
_ISO_639_1 = {
    "ara": "ar", "dan": "da", "deu": "de", "ell": "el", "eng": "en", "fin": "fi", "fra": "fr", "hun": "hu", "ita": "it",
    "nld": "nl", "nob": "no", "por": "pt", "ron": "ro", "rus": "ru", "spa": "es", "swe": "sv", "tam": "ta", "tur": "tr",
}  # fmt: skip


def extract(content: bytes, filename: str, max_characters: int) -> Parsed:
    """Everything that is read out of a file; raises the errors of the ``Parser`` port."""
    kind = recognise(content, filename)
    read = _read_verbatim(content, kind) if kind.media_type in _VERBATIM else _read_structured(content, kind)
    if not read.text.strip():
        raise DocumentEmpty()
    if len(read.text) > max_characters:
        raise ParserLimitExceeded(f"The document holds more than {max_characters} characters of text.")
    title = _title(read.title) or _title(first_heading(read.text)) or _stem(filename)
    language = read.language or language_of(read.text)
    return Parsed(read.text, kind.media_type, title, language, read.pages)


def _read_verbatim(content: bytes, kind: FileType) -> Parsed:
    title, text = "", decode(content)
    if kind is MARKDOWN:
        title, text = split_front_matter(text)
    return Parsed(text, kind.media_type, title, "", [])


def _read_structured(content: bytes, kind: FileType) -> Parsed:
    title = language = ""
    if kind.family is Family.TEXT:
        source = decode(content, declared=True)
        if kind is HTML:
            title, language = _first(_HTML_TITLE, source), _first(_HTML_LANGUAGE, source).lower()
            source = _HTML_HEAD.sub("", source)
        content = source.encode()
    result = _kreuzberg(content, kind.media_type)
    text = clean(str(result.content)).replace("\r\n", "\n")
    metadata: dict[str, Any] = dict(result.metadata)
    nodes = (result.document or {}).get("nodes") or [] if kind.family is Family.PDF else []
    return Parsed(
        text,
        kind.media_type,
        title or clean(str(metadata.get("title") or metadata.get("subject") or "")),
        language or language_of(text) or _detected(result),
        page_spans(text, nodes),
    )


def _kreuzberg(content: bytes, media_type: str) -> Any:
    """Its result, without caching, OCR, layout models or quality rewriting: nothing that writes files or fetches models."""
    import kreuzberg

    settings = kreuzberg.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        disable_ocr=True,  # type: ignore[call-arg]  # accepted by the extension, missing in its stub
        output_format="markdown",
        include_document_structure=media_type == "application/pdf",
        concurrency=kreuzberg.ConcurrencyConfig(max_threads=1),
        language_detection=kreuzberg.LanguageDetectionConfig(enabled=True, min_confidence=0.8),
    )
    try:
        return kreuzberg.extract_bytes_sync(content, media_type, settings)
    except (kreuzberg.KreuzbergError, ValueError, RuntimeError, OSError) as error:
        raise _explained(str(error).lower()) from None


def _explained(reason: str) -> CallerError:
    """kreuzberg has one error class for what are several things to a caller, so its words have to tell them apart."""
    if "password" in reason or "encrypt" in reason:
        return DocumentEncrypted()
    if "limit exceeded" in reason or "out of memory" in reason:
        return ParserLimitExceeded()
    return DocumentCorrupt()


def _detected(result: Any) -> str:
    return _ISO_639_1.get((result.detected_languages or [""])[0], "")


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return html.unescape(found.group(1)) if found else ""


def _title(text: str) -> str:
    """On one line and short; nothing if it says nothing."""
    words = " ".join(text.replace("**", "").split())
    return "" if words.lower() in _NO_TITLE else words[:_TITLE_LENGTH]


def _stem(filename: str) -> str:
    name = filename.replace("\\", "/").rsplit("/", 1)[-1].rpartition(".")[0]
    return _title(clean(name)) or "Document"
