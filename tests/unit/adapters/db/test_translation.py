"""The drivers' errors in the domain's words."""

from __future__ import annotations

import errno
import sqlite3
import traceback

import pytest
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domicile.adapters.db.translation import translate, translated
from domicile.domain.errors import (
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

SECRET = "the salary of Mia"


def sqlite_error(code: int, name: str, message: str = SECRET) -> sqlite3.Error:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    return error


class PostgresError(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__(SECRET)
        self.sqlstate = sqlstate


def wrapped(cause: BaseException) -> DBAPIError:
    return InterfaceError("INSERT …", {"name": SECRET}, cause)


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (sqlite_error(sqlite3.SQLITE_BUSY, "SQLITE_BUSY"), DatabaseUnavailable),
        (sqlite_error(sqlite3.SQLITE_LOCKED, "SQLITE_LOCKED"), DatabaseUnavailable),
        (sqlite_error(sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"), DatabaseUnavailable),
        (sqlite_error(sqlite3.SQLITE_CANTOPEN, "SQLITE_CANTOPEN"), DatabaseUnavailable),
        (sqlite_error(sqlite3.SQLITE_FULL, "SQLITE_FULL"), StorageFull),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE"), AlreadyExists),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, "SQLITE_CONSTRAINT_PRIMARYKEY"), AlreadyExists),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY, "SQLITE_CONSTRAINT_FOREIGNKEY"), NotFound),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL"), IntegrityError),
        (sqlite_error(sqlite3.SQLITE_CORRUPT, "SQLITE_CORRUPT"), IntegrityError),
        (sqlite_error(sqlite3.SQLITE_ERROR, "SQLITE_ERROR", "no such table: tenants"), SchemaOutdated),
        (sqlite_error(sqlite3.SQLITE_ERROR, "SQLITE_ERROR", "no such column: x"), SchemaOutdated),
        (sqlite_error(sqlite3.SQLITE_ERROR, "SQLITE_ERROR"), DatabaseUnavailable),
        (PostgresError("23505"), AlreadyExists),
        (PostgresError("23503"), NotFound),
        (PostgresError("23502"), IntegrityError),
        (PostgresError("53100"), StorageFull),
        (PostgresError("53300"), DatabaseUnavailable),
        (PostgresError("40P01"), DatabaseUnavailable),
        (PostgresError("57P01"), DatabaseUnavailable),
        (PostgresError("42P01"), SchemaOutdated),
        (PostgresError("28P01"), ConfigurationError),
        (PostgresError("3D000"), ConfigurationError),
        (PostgresError("22021"), InvalidText),
        (OSError(errno.ENOSPC, SECRET), StorageFull),
        (ConnectionRefusedError(errno.ECONNREFUSED, SECRET), DatabaseUnavailable),
        (TimeoutError(SECRET), DatabaseUnavailable),
    ],
)
def test_each_failure_has_its_name(cause: Exception, kind: type[DomicileError]) -> None:
    """Whether SQLAlchemy has wrapped it or not, and without a word of the driver's."""
    for error in (cause, wrapped(cause)):
        told = translate(error)
        assert type(told) is kind
        assert SECRET not in f"{told}{told.advice}{told.members}"


def test_a_pool_without_a_free_connection_is_unavailable() -> None:
    """SQLAlchemy's own errors have no cause to look at."""
    assert type(translate(PoolTimeout(SECRET))) is DatabaseUnavailable


def test_text_that_cannot_be_encoded_is_found_below_other_errors() -> None:
    """asyncpg reports it as the cause of one of its own errors."""
    driver = ValueError(SECRET)
    driver.__cause__ = UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
    assert type(translate(wrapped(driver))) is InvalidText


def test_a_traceback_of_the_translated_error_prints_nothing_of_the_driver() -> None:
    """It may end in a log."""
    with pytest.raises(DatabaseUnavailable) as caught, translated():
        raise wrapped(sqlite_error(sqlite3.SQLITE_BUSY, "SQLITE_BUSY"))
    printed = "".join(traceback.format_exception(caught.value))
    assert SECRET not in printed
    assert "SQLITE_BUSY" in printed


def test_errors_of_the_domain_and_of_the_program_go_through() -> None:
    """Only drivers are translated."""
    with pytest.raises(NotFound), translated():
        raise NotFound()
    with pytest.raises(KeyError), translated():
        raise KeyError("a bug")
