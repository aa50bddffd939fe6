"""Data subjects: the people whom documents and conversations are about, known by a keyed digest and never by name.

Whoever brings a document names them by the organisation's own identifiers, such as a personnel number or an e-mail address.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Iterable

from domicile.domain.errors import CallerError
from domicile.domain.values import clean_text

#: Characters that an identifier may have, and subjects that one document may name.
LONGEST_IDENTIFIER = 200
MOST_SUBJECTS = 256
# No source path holds a NUL, so that no digest of one is ever a subject's.
_LABEL = b"domicile/subject/1\x00"


def identifier(text: str) -> str:
    """The text as subjects are compared by: compatibility caseless (Unicode 16.0, D146), without white space around it.

    Raises ``CallerError`` unless 1 to ``LONGEST_IDENTIFIER`` characters are left, and ``InvalidText``.
    """
    folded = unicodedata.normalize("NFD", clean_text(text)).casefold()
    folded = unicodedata.normalize("NFKD", folded).casefold()
    folded = unicodedata.normalize("NFKC", folded).strip()
    if not 0 < len(folded) <= LONGEST_IDENTIFIER:
        raise CallerError(
            f"A data subject's identifier has 1 to {LONGEST_IDENTIFIER} characters.",
            hint="Give a personnel number, an e-mail address or another identifier of your own.",
            limit=LONGEST_IDENTIFIER,
        )
    return folded


def identifiers(texts: Iterable[str]) -> tuple[str, ...]:
    """Each once, in the order given. Raises as ``identifier`` does, and ``CallerError`` for too many."""
    named = tuple(dict.fromkeys(map(identifier, texts)))
    if len(named) > MOST_SUBJECTS:
        raise CallerError(f"A document names at most {MOST_SUBJECTS} data subjects.", limit=MOST_SUBJECTS)
    return named


def subject_digest(digest_key: bytes, text: str) -> bytes:
    """What stands for that subject: HMAC-SHA-256 (32 bytes) under the tenant's digest key. Raises as ``identifier`` does."""
    return hmac.digest(digest_key, _LABEL + identifier(text).encode(), "sha256")
