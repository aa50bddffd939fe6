"""A chunk's body, smaller before it is sealed: text in an envelope in a JSON payload would grow by half.

The first byte tells what follows: 1 is zlib's format (RFC 1950), and a brace is the JSON text itself, as bodies were stored
before and still are where compressing one gains nothing. Each body is compressed on its own, so that its length depends on no
other text than its own; what lengths tell is in docs/threat-model.md.
"""

from __future__ import annotations

import zlib

from domicile.domain.errors import DecryptionFailed

_COMPRESSED = b"\x01"


def compacted(body: bytes) -> bytes:
    """The JSON text as it is sealed; never longer than it is."""
    smaller = _COMPRESSED + zlib.compress(body)
    return smaller if len(smaller) < len(body) else body


def expanded(stored: bytes) -> bytes:
    """The JSON text; raises ``DecryptionFailed`` for what ``compacted`` did not make."""
    if not stored.startswith(_COMPRESSED):
        return stored
    try:
        return zlib.decompress(stored[len(_COMPRESSED) :])
    except zlib.error:
        raise DecryptionFailed() from None
