"""Password hashes by Argon2id (RFC 9106)."""

from __future__ import annotations

import asyncio
import base64
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

#: Hashes computed at once. Each takes 64 MiB and every processor it can get, so a flood of sign-ins must queue.
_AT_ONCE = 2


class Argon2Hasher:
    """Implements the ``PasswordHasher`` port with the parameters RFC 9106 recommends second: 3 passes over 64 MiB, 4 lanes."""

    def __init__(self, parameters: Parameters = RFC_9106_LOW_MEMORY) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._nobody = _unmatchable(parameters)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, _prepared(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        against = self._nobody if password_hash is None else password_hash
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._matches, against, _prepared(password))

    async def close(self) -> None:
        """Wait for the hashes being computed."""
        await asyncio.to_thread(self._threads.shutdown)

    def _matches(self, password_hash: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


def _prepared(password: str) -> bytes:
    """The same bytes however the keyboard composed its accents (RFC 8265, section 4.2.2: NFC)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _unmatchable(parameters: Parameters) -> str:
    """A hash of random bytes, which costs as much to check as any other and which no password has."""
    salt, digest = (
        base64.b64encode(os.urandom(length)).rstrip(b"=").decode() for length in (parameters.salt_len, parameters.hash_len)
    )
    cost = f"m={parameters.memory_cost},t={parameters.time_cost},p={parameters.parallelism}"
    return f"$argon2id$v={parameters.version}${cost}${salt}${digest}"
