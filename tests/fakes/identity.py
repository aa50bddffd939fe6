"""Password hashing that is fast and safe for nobody."""

from __future__ import annotations

import hashlib


class PlainHasher:
    """Implements the ``PasswordHasher`` port. ``checked`` holds what every check was made against, in order."""

    def __init__(self) -> None:
        self.checked: list[str | None] = []

    async def hash(self, password: str) -> str:
        return "plain$" + _digest(password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        self.checked.append(password_hash)
        return password_hash == "plain$" + _digest(password)

    async def close(self) -> None: ...


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()
