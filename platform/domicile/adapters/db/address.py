"""Which databases there are, by their URL."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from domicile.domain.errors import ConfigurationError

_DRIVERS = frozenset({"sqlite+aiosqlite", "postgresql+asyncpg"})
_HINT = "Use 'sqlite+aiosqlite:///PATH' or 'postgresql+asyncpg://USER@HOST/NAME'."


def database_address(url: str, password: str = "") -> URL:
    """The URL with its password, which neither ``str`` nor ``repr`` shows. Raises ``ConfigurationError``."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        # Not quoted: what was meant as a URL may hold a password.
        raise ConfigurationError("The database URL cannot be read.", hint=_HINT) from None
    if address.drivername not in _DRIVERS:
        raise ConfigurationError(f"'{address.drivername[:40]}' is not a database that Domicile knows.", hint=_HINT)
    if address.get_backend_name() == "sqlite" and (not address.database or ":memory:" in address.database):
        raise ConfigurationError("An SQLite database needs a file.", hint=_HINT)
    return address.set(password=password) if password else address
