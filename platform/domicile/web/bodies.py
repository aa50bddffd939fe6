"""JSON bodies: what cannot be decoded is the caller's fault, and said so."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import ClientException, SerializationException

from domicile.domain.errors import InvalidText


class CheckedRequest(Request[Any, Any, Any]):
    """The framework's request, except that every way in which JSON can be broken has a clear error."""

    async def json(self) -> Any:
        """Raises ``InvalidText`` for broken UTF-8 and lone surrogates, ``ClientException`` for endless nesting."""
        try:
            return await super().json()
        except UnicodeDecodeError:
            raise InvalidText() from None
        except RecursionError:
            raise ClientException("nested too deeply") from None
        except SerializationException as error:
            if "surrogate" in str(error):
                raise InvalidText() from None
            raise
