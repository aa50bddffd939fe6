"""Blocking calls of a provider's client: in threads of their own, bounded in time, and with their errors translated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from domicile.domain.errors import KeyProviderUnavailable

Result = TypeVar("Result")
Errors = type[Exception] | tuple[type[Exception], ...]

#: Seconds until a connection must stand, and until the provider must have answered altogether. Readiness is asked for within
#: five seconds, and a question waits no longer for a key than for a database.
CONNECT_SECONDS = 2.0
TOTAL_SECONDS = 4.0


class BlockingCalls:
    """For one client. ``threads`` is how many calls it can carry out at the same time, each for at most so many ``seconds``."""

    def __init__(self, *, threads: int, seconds: float = TOTAL_SECONDS) -> None:
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="key-provider")
        self._closed = False

    async def run(self, name: str, call: Callable[[], Result]) -> Result:
        """Its result; raises ``KeyProviderUnavailable``, naming that provider, if there is none in time.

        The thread is free again when the client gives up.
        """
        if self._closed:
            raise unavailable(name, "is closed")
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        except TimeoutError:
            pass
        raise unavailable(name, "did not answer in time")

    def close(self) -> None:
        """Calls that wait are dropped; one that is under way ends by itself."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)


def unavailable(name: str, what: str, hint: str | None = None) -> KeyProviderUnavailable:
    return KeyProviderUnavailable(f"The key provider '{name}' {what}.", hint=hint)


def translated(call: Callable[[], Result], errors: Errors, translate: Callable[[Exception], Exception]) -> Result:
    """What the call gives, or one of our errors with no other one behind it.

    A client's error holds the request that failed, with the credentials in its headers, and what the provider has said.
    """
    try:
        return call()
    except errors as error:
        failed = [error]
    # Outside of the handler, since this may ask the provider again and raise itself; and with nothing left in this frame.
    raise translate(failed.pop())
