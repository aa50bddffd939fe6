"""Reading files with the real library, in this process, where a failure can be seen."""

from __future__ import annotations

import io

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from domicile.adapters.parsers.extraction import extract
from domicile.domain.errors import DocumentCorrupt, DocumentEmpty, ParserLimitExceeded


def _pdf(*pages: str, title: str | None = None, password: str | None = None) -> bytes:
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4, encrypt=password)
    if title:
        canvas.setTitle(title)
    for page in pages:
        for line, text in enumerate(page.splitlines()):
            canvas.drawString(72, 770 - 20 * line, text)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def _read(content: bytes, name: str) -> tuple[str, str, str]:
    parsed = extract(content, name, 1_000_000)
    return parsed.title, parsed.language, parsed.text


def test_the_pages_of_a_pdf_slice_its_text() -> None:
    """Also where characters take more than one byte."""
    parsed = extract(_pdf("Über größere Flächen", "Zweite Seite – Maße", "Dritte Seite"), "a.pdf", 10_000)
    pages = {page: parsed.text[start:end].strip() for page, start, end in parsed.pages}
    assert [pages[number].replace("#", "").strip() for number in (1, 2, 3)] == [
        "Über größere Flächen",
        "Zweite Seite – Maße",
        "Dritte Seite",
    ]


def test_a_title_comes_from_the_document_then_its_heading_then_its_name() -> None:
    """What a program wrote because nobody gave one is no title."""
    assert _read(_pdf("Text", title="Contract 7"), "scan.pdf")[0] == "Contract 7"
    assert _read(_pdf("Text", title="untitled"), "folder/Contract 8.pdf")[0] == "Contract 8"
    assert _read(b"Some text\n\n# Leave *policy*\n", "a.md")[0] == "Leave *policy*"
    assert _read(b"Some text", "a\\b\\notes.txt")[0] == "notes"


def test_html_gives_its_title_language_and_structure_but_not_its_head() -> None:
    """In whichever encoding it says it is."""
    page = "<html lang='de'><head><meta charset='iso-8859-1'><title>Maße &amp; Größen</title></head>"
    page += "<body><h1>Größe</h1><p>Ein <b>Satz</b>.</p><script>alert(1)</script></body></html>"
    title, language, text = _read(page.encode("latin-1"), "a.html")
    assert (title, language) == ("Maße & Größen", "de")
    assert text.split() == ["#", "Größe", "Ein", "**Satz**."]


def test_a_table_becomes_markdown() -> None:
    """So that it is cut between rows and reads well in a citation."""
    assert "| Team | Wins |" in _read(b"Team,Wins\nBlues,1\n", "a.csv")[2]


def test_a_pdf_without_text_is_empty() -> None:
    """A scan without a text layer, for instance."""
    with pytest.raises(DocumentEmpty):
        extract(_pdf(""), "scan.pdf", 1000)


def test_a_broken_pdf_is_corrupt() -> None:
    """Cut off in the middle."""
    with pytest.raises(DocumentCorrupt):
        extract(b"%PDF-1.7\n" + b"garbage" * 50, "a.pdf", 1000)


def test_too_much_text_is_a_limit() -> None:
    """A small file may hold very much of it."""
    with pytest.raises(ParserLimitExceeded, match="1000 characters"):
        extract(b"word " * 1000, "a.txt", 1000)
