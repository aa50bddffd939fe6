"""What commands are given by a file or by standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from domicile.domain.errors import CallerError

if TYPE_CHECKING:
    from domicile.answers.receipts import PublishedKey


def content_of(file: str) -> bytes:
    """The file's bytes, or those of standard input for ``-``. Raises ``CallerError``."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CallerError(f"{file} cannot be read: {error.strerror}.", hint="Name a file that is there and readable.") from None


def public_key(given: str) -> PublishedKey:
    """What a cell publishes as its key, from a file or as text. Raises ``CallerError``, and as ``PublishedKey.parse`` does."""
    from domicile.answers.receipts import PublishedKey

    return PublishedKey.parse(content_of(given).decode("utf-8", "replace") if Path(given).is_file() else given)


def person(given: str) -> str:
    """Somebody's identifier; for ``-`` a line of standard input, since whoever is on the machine sees a process's arguments."""
    return sys.stdin.readline().strip() if given == "-" else given
