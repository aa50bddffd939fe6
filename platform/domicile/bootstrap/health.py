"""Whether each component can serve now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from domicile.domain.errors import DependencyError, DomicileError

_CHECK_SECONDS = 5.0
OK = "ok"


class Health:
    """Asks every component at once. ``checks`` raise when a component cannot serve."""

    def __init__(self, checks: Mapping[str, Callable[[], Awaitable[object]]]) -> None:
        self._checks = checks

    async def __call__(self) -> dict[str, str]:
        """Each component with ``ok``, or with the slug of what is wrong with it."""
        states = await asyncio.gather(*(_state(check) for check in self._checks.values()))
        return dict(zip(self._checks, states, strict=True))


async def _state(check: Callable[[], Awaitable[object]]) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except DomicileError as error:
        return error.slug
    except TimeoutError:
        return DependencyError.slug
    return OK
