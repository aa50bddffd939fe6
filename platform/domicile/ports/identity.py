"""Who is calling."""

from __future__ import annotations

from typing import Protocol


class PasswordHasher(Protocol):
    """Slow on purpose; runs in a thread."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Takes equally long for an account that does not exist (``None``), so that logins cannot be enumerated by timing."""
        ...
