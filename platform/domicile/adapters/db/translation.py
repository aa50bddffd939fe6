"""The drivers' errors as the domain's. Nothing of a driver's message goes on: it may quote the row that it complains about.

What is kept is the database's own code (``SQLITE_BUSY``, SQLSTATE ``40P01``), which says everything that an operator can use.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLError

from sqlalchemy.exc import SQLAlchemyError

from domicile.domain.errors import (
    CERTIFICATE_HINT,
    AlreadyExists,
    ConfigurationError,
    DatabaseUnavailable,
    DomicileError,
    IntegrityError,
    InvalidText,
    NotFound,
    SchemaOutdated,
    StorageFull,
)

#: What SQLAlchemy lets out: its own errors, which wrap both drivers', and what a socket or a file raises beneath them.
_DRIVER_ERRORS = (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError, UnicodeError)

#: SQLite's result codes, the extended ones first. Others are looked up by their primary code (the low byte).
_SQLITE: dict[int, type[DomicileError]] = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: AlreadyExists,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: AlreadyExists,
    # The row that is referred to does not exist, or not any more.
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: NotFound,
    sqlite3.SQLITE_CONSTRAINT: IntegrityError,
    sqlite3.SQLITE_CORRUPT: IntegrityError,
    sqlite3.SQLITE_NOTADB: IntegrityError,
    sqlite3.SQLITE_FULL: StorageFull,
}

#: SQLSTATEs (PostgreSQL's manual, appendix A), whole or by their class (the first two characters).
_POSTGRES: dict[str, type[DomicileError]] = {
    "23505": AlreadyExists,
    "23503": NotFound,
    "23": IntegrityError,
    "XX001": IntegrityError,  # data_corrupted
    "XX002": IntegrityError,  # index_corrupted
    "53100": StorageFull,
    "22021": InvalidText,  # a NUL, which PostgreSQL's text cannot hold
    "28": ConfigurationError,  # the user or the password
    "3D000": ConfigurationError,  # no such database
    "42P01": SchemaOutdated,  # no such table
    "42703": SchemaOutdated,  # no such column
}

_SENTENCES: dict[type[DomicileError], str] = {
    ConfigurationError: "The database refused the user, the password or the database's name",
    SchemaOutdated: "The database lacks a table or column that this version needs",
}


@contextmanager
def translated() -> Iterator[None]:
    """Run the block; whatever a driver raises leaves it as a ``DomicileError``."""
    try:
        yield
    except _DRIVER_ERRORS as error:
        # The cause is cut off on purpose: a traceback would print the driver's message.
        raise translate(error) from None


def translate(error: BaseException) -> DomicileError:
    """The domain's error for a driver's; ``DatabaseUnavailable`` for whatever has no better name."""
    cause = getattr(error, "orig", None) or error
    if any(isinstance(each, UnicodeError) for each in _chain(cause)):
        return InvalidText()
    if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
        return StorageFull()
    if name := getattr(cause, "sqlite_errorname", None):
        return _named(_sqlite_kind(cause), name)
    if state := getattr(cause, "sqlstate", None):
        return _named(_POSTGRES.get(state) or _POSTGRES.get(state[:2], DatabaseUnavailable), f"SQLSTATE {state}")
    if isinstance(cause, SSLError) or (isinstance(cause, ConnectionError) and "SSL upgrade" in str(cause)):
        return DatabaseUnavailable("The database is reached, but not by TLS that can be trusted.", hint=CERTIFICATE_HINT)
    return DatabaseUnavailable(f"{DatabaseUnavailable.title} ({type(cause).__name__}).")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _sqlite_kind(error: BaseException) -> type[DomicileError]:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code == sqlite3.SQLITE_ERROR and str(error).startswith(("no such table", "no such column", "table ")):
        return SchemaOutdated
    return _SQLITE.get(code) or _SQLITE.get(code & 0xFF, DatabaseUnavailable)


def _named(kind: type[DomicileError], code: str) -> DomicileError:
    if issubclass(kind, (AlreadyExists, NotFound, InvalidText)):
        return kind()
    return kind(f"{_SENTENCES.get(kind, kind.title)} ({code}).")
