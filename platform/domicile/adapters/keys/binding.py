"""What a wrapped key is bound to, in the providers that are no code of ours.

Each of them authenticates the context as its own kind of associated data. Whether it does so cannot be seen from outside
(Vault before 1.13 ignores the field), so what is wrapped carries a digest of the context as well, behind the key.
"""

from __future__ import annotations

import hashlib
import hmac

from domicile.domain.errors import DecryptionFailed
from domicile.domain.values import Region

_LABEL = b"domicile/binding/1"
_DIGEST_BYTES = 32


def require_context(context: bytes) -> None:
    """Raise ``ValueError`` where there is none: a key that is bound to nothing could be moved anywhere."""
    if not context:
        raise ValueError("a wrapped key needs a context")


def associated(region: Region, context: bytes) -> bytes:
    """What the provider authenticates: a fixed label, the provider's region and the context, each after its 4-byte length."""
    require_context(context)
    return b"".join(len(each).to_bytes(4, "big") + each for each in (_LABEL, region.name.encode(), context))


def bound(key: bytes, about: bytes) -> bytes:
    """The key, with what it is about."""
    return key + hashlib.sha256(about).digest()


def unbound(plaintext: bytes, about: bytes) -> bytes:
    """The key, if that is what it is about; raises ``DecryptionFailed``."""
    key, digest = plaintext[:-_DIGEST_BYTES], plaintext[-_DIGEST_BYTES:]
    if not key or not hmac.compare_digest(digest, hashlib.sha256(about).digest()):
        raise DecryptionFailed()
    return key
