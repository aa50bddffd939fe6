"""What a file is, by its name and by its bytes."""

from __future__ import annotations

import contextlib
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.adapters.parsers.filetypes import TYPES, recognise
from domicile.domain.errors import (
    CallerError,
    DocumentCorrupt,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentTypeMismatch,
    DocumentTypeUnknown,
)

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64)


def _container(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as container:
        for name, content in members.items():
            container.writestr(name.replace("__", "/"), content)
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", b"%PDF-1.7\n..."),
        ("A.PDF", b"junk before\n%PDF-1.4\n\x00"),
        ("folder/a.docx", _container(word__document=b"")),
        ("a.xlsx", _container(xl__workbook=b"")),
        ("a.odt", _container(**{"content.xml": b""})),
        ("a.doc", OLE),
        ("a.rtf", b"{\\rtf1 text}"),
        ("a.md", "# Größe".encode()),
        ("a.txt", "UTF-16 text".encode("utf-16")),
        ("a.html", b"<p>text"),
    ],
)
def test_a_file_is_what_name_and_bytes_say(name: str, content: bytes) -> None:
    """The suffix decides among types that look alike; its case does not matter."""
    assert recognise(content, name) == TYPES[name.rsplit(".", 1)[-1].lower()]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.pdf", b"", DocumentEmpty),
        ("a.txt", b" \n\t", DocumentEmpty),
        ("a", b"text", DocumentTypeUnknown),
        ("pdf", b"%PDF-1.4", DocumentTypeUnknown),
        ("a.exe", b"MZ", DocumentTypeUnknown),
        ("a.png", b"\x89PNG\r\n", DocumentTypeUnknown),
        ("a.pdf", b"plain text", DocumentTypeMismatch),
        ("a.txt", b"%PDF-1.4 text", DocumentTypeMismatch),
        ("a.txt", b"\x7fELF\x02\x01\x00\x00", DocumentTypeMismatch),
        ("a.md", _container(word__document=b""), DocumentTypeMismatch),
        ("a.docx", _container(xl__workbook=b""), DocumentTypeMismatch),
        ("a.docx", b"%PDF-1.4\x00", DocumentTypeMismatch),
        ("a.docx", OLE, DocumentTypeMismatch),
        ("a.doc", _container(word__document=b""), DocumentTypeMismatch),
        ("a.docx", OLE + "EncryptedPackage".encode("utf-16-le"), DocumentEncrypted),
        (
            "a.odt",
            _container(**{"content.xml": b"", "META-INF/manifest.xml": b"<manifest:encryption-data/>"}),
            DocumentEncrypted,
        ),
        ("a.docx", b"PK\x03\x04 and nothing more", DocumentCorrupt),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(name: str, content: bytes, error: type[CallerError]) -> None:
    """With the error that tells the caller what to do about it."""
    with pytest.raises(error):
        recognise(content, name)


@given(st.binary(max_size=200), st.sampled_from(sorted(TYPES)))
def test_any_bytes_are_recognised_or_refused(content: bytes, suffix: str) -> None:
    """Nothing else escapes, whatever the bytes."""
    for magic in (b"", b"PK\x03\x04", OLE, b"%PDF-"):
        with contextlib.suppress(CallerError):
            assert recognise(magic + content, f"a.{suffix}") is TYPES[suffix]
