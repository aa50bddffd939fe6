"""Which kinds of file are read, told by the suffix of the name and confirmed by the bytes."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from enum import StrEnum

from domicile.domain.errors import DocumentCorrupt, DocumentEmpty, DocumentEncrypted, DocumentTypeMismatch, DocumentTypeUnknown


class Family(StrEnum):
    """What a file's bytes show about its kind."""

    PDF = "pdf"
    ZIP = "zip"
    OLE = "ole"
    RTF = "rtf"
    BINARY = "binary"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class FileType:
    """``member`` is a path that every ZIP container of this type has, so that a .docx cannot really be an .xlsx."""

    media_type: str
    family: Family
    member: str = ""


_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
MARKDOWN = FileType("text/markdown", Family.TEXT)
PLAIN = FileType("text/plain", Family.TEXT)
HTML = FileType("text/html", Family.TEXT)
_LEGACY = Family.OLE

TYPES: dict[str, FileType] = {
    "pdf": FileType("application/pdf", Family.PDF),
    "docx": FileType(f"{_OOXML}.wordprocessingml.document", Family.ZIP, "word/"),
    "xlsx": FileType(f"{_OOXML}.spreadsheetml.sheet", Family.ZIP, "xl/"),
    "pptx": FileType(f"{_OOXML}.presentationml.presentation", Family.ZIP, "ppt/"),
    "odt": FileType(f"{_ODF}.text", Family.ZIP, "content.xml"),
    "ods": FileType(f"{_ODF}.spreadsheet", Family.ZIP, "content.xml"),
    "epub": FileType("application/epub+zip", Family.ZIP, "META-INF/container.xml"),
    "doc": FileType("application/msword", _LEGACY),
    "xls": FileType("application/vnd.ms-excel", _LEGACY),
    "ppt": FileType("application/vnd.ms-powerpoint", _LEGACY),
    "msg": FileType("application/vnd.ms-outlook", _LEGACY),
    "rtf": FileType("application/rtf", Family.RTF),
    "md": MARKDOWN,
    "markdown": MARKDOWN,
    "txt": PLAIN,
    "text": PLAIN,
    "log": PLAIN,
    "json": FileType("application/json", Family.TEXT),
    "html": HTML,
    "htm": HTML,
    "xhtml": HTML,
    "csv": FileType("text/csv", Family.TEXT),
    "tsv": FileType("text/tab-separated-values", Family.TEXT),
    "eml": FileType("message/rfc822", Family.TEXT),
    "rst": FileType("text/x-rst", Family.TEXT),
    "org": FileType("text/x-org", Family.TEXT),
}

#: An encrypted Office file is an OLE container with a stream of this name, whatever its suffix.
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_MAGIC = {
    Family.ZIP: b"PK\x03\x04",
    Family.OLE: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    Family.RTF: b"{\\rtf",
    Family.PDF: b"%PDF-",
}


def recognise(content: bytes, filename: str) -> FileType:
    """The file's type, on which its name and its bytes agree.

    Raises ``DocumentEmpty``, ``DocumentTypeUnknown``, ``DocumentTypeMismatch``, ``DocumentEncrypted`` or, for a broken
    container, ``DocumentCorrupt``.
    """
    if not content.strip():
        raise DocumentEmpty()
    kind = TYPES.get(_suffix(filename))
    if kind is None:
        raise DocumentTypeUnknown()
    family = _family(content, kind)
    if kind.family is Family.ZIP and family is Family.OLE and _ENCRYPTED_PACKAGE in content:
        raise DocumentEncrypted()
    if family is not kind.family:
        raise DocumentTypeMismatch()
    if family is Family.ZIP:
        _check_container(content, kind)
    return kind


def _suffix(filename: str) -> str:
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return name.rpartition(".")[2].lower() if "." in name else ""


def _family(content: bytes, kind: FileType) -> Family:
    """What the bytes are. Readers of PDF accept its header anywhere in the first kibibyte, and so does this."""
    if kind.family is Family.PDF and b"%PDF-" in content[:1024]:
        return Family.PDF
    head = content[:64].lstrip()
    for family, magic in _MAGIC.items():
        if head.startswith(magic):
            return family
    return Family.TEXT if _reads_as_text(content) else Family.BINARY


def _reads_as_text(content: bytes) -> bool:
    """No encoding of text without a byte-order mark has NUL bytes, and nearly every binary format has."""
    return content.startswith(_BYTE_ORDER_MARKS) or b"\x00" not in content


def _check_container(content: bytes, kind: FileType) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as container:
            names = container.namelist()
            encrypted = any(entry.flag_bits & 1 for entry in container.infolist())
            manifest = "META-INF/manifest.xml"
            if not encrypted and manifest in names:
                with container.open(manifest) as stream:
                    encrypted = b"encryption-data" in stream.read(1 << 20)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, EOFError, zlib.error):
        raise DocumentCorrupt() from None
    if encrypted:
        raise DocumentEncrypted()
    if not any(name.startswith(kind.member) for name in names):
        raise DocumentTypeMismatch()
