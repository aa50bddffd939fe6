"""What a blob's key may look like, the same for every store."""

from __future__ import annotations

import re

_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{0,7}}")


def checked_key(key: str) -> str:
    """The key itself if it is a path of plain names; raises ``ValueError`` otherwise.

    No name starts with a dot, so that no key leads out of its store. Use cases build keys from ids, so another key is
    a programming error and not a caller's.
    """
    if not _KEY.fullmatch(key):
        raise ValueError("a blob key is a path of plain names")
    return key
