"""What credentials look like: logins, passwords, API keys, session tokens and their stored forms."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from uuid import UUID

from domicile.domain.errors import CallerError
from domicile.domain.values import clean_text

_TOKEN_BYTES = 32  # 256 random bits: nothing that slow hashing or throttling could add to
_PREFIX_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PREFIX_LENGTH = 8
_API_KEY = re.compile(r"dom_[a-z2-7]{8}_[A-Za-z0-9_-]{43,128}")
_LONGEST_LOGIN = 254  # characters, as an e-mail address (RFC 5321)
SHORTEST_PASSWORD = 12  # characters
LONGEST_PASSWORD = 1024  # characters, so that nobody makes the hasher chew on megabytes


def login_name(text: str) -> str:
    """The login in the one form that is stored and compared; raises ``CallerError`` for what cannot be a login."""
    login = unicodedata.normalize("NFKC", clean_text(text)).strip().casefold()
    if not 0 < len(login) <= _LONGEST_LOGIN or not login.isprintable() or " " in login:
        raise CallerError("That is not a valid login.", hint=f"Use 1 to {_LONGEST_LOGIN} characters without spaces.")
    return login


def acceptable_password(text: str) -> str:
    """The password itself if it is long enough; raises ``CallerError`` otherwise, never with the password in it."""
    if len(clean_text(text)) < SHORTEST_PASSWORD:
        raise CallerError(f"A password has at least {SHORTEST_PASSWORD} characters.", hint="Choose a longer one.")
    if len(text) > LONGEST_PASSWORD:
        raise CallerError(f"A password has at most {LONGEST_PASSWORD} characters.", hint="Choose a shorter one.")
    return text


def new_api_key() -> tuple[str, str]:
    """A public prefix, by which people recognise the key, and the whole secret, which begins with it."""
    prefix = "dom_" + "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(_PREFIX_LENGTH))
    return prefix, f"{prefix}_{new_token()}"


def looks_like_api_key(secret: str) -> bool:
    """Whether it is worth a look in the database."""
    return _API_KEY.fullmatch(secret) is not None


def new_token() -> str:
    """43 characters of base64url that hold 256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def stored_hash(secret: str) -> bytes:
    """The SHA-256 that stands for an API key or a session token in the database."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def session_id(token_hash: bytes) -> UUID:
    """The id by which the audit log names a session. It says nothing about the token."""
    return UUID(bytes=token_hash[:16])
